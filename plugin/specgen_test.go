// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"

	"github.com/containerd/nri/pkg/runtime-tools/generate"
	rspec "github.com/opencontainers/runtime-spec/specs-go"
)

// specGen is the runtime's half of NRI's generator, which each runtime brings
// along. What an adjustment of ours never needs is left to the nil interface.
type specGen struct {
	generate.UnderlyingGenerator
	spec *rspec.Spec
}

func newSpecGen(spec *rspec.Spec) *specGen {
	if spec.Process == nil {
		spec.Process = &rspec.Process{}
	}
	if spec.Linux == nil {
		spec.Linux = &rspec.Linux{}
	}
	if spec.Linux.Resources == nil {
		spec.Linux.Resources = &rspec.LinuxResources{}
	}
	return &specGen{spec: spec}
}

func (g *specGen) Spec() *rspec.Spec { return g.spec }

func (g *specGen) AddAnnotation(key, value string) {
	if g.spec.Annotations == nil {
		g.spec.Annotations = map[string]string{}
	}
	g.spec.Annotations[key] = value
}

func (g *specGen) AddDevice(d rspec.LinuxDevice) {
	g.RemoveDevice(d.Path)
	g.spec.Linux.Devices = append(g.spec.Linux.Devices, d)
}

func (g *specGen) RemoveDevice(path string) {
	g.spec.Linux.Devices = slices.DeleteFunc(g.spec.Linux.Devices, func(d rspec.LinuxDevice) bool { return d.Path == path })
}

func (g *specGen) AddLinuxResourcesDevice(allow bool, kind string, major, minor *int64, access string) {
	g.spec.Linux.Resources.Devices = append(g.spec.Linux.Resources.Devices,
		rspec.LinuxDeviceCgroup{Allow: allow, Type: kind, Major: major, Minor: minor, Access: access})
}

func (g *specGen) AddMount(m rspec.Mount) { g.spec.Mounts = append(g.spec.Mounts, m) }

func (g *specGen) RemoveMount(at string) {
	g.spec.Mounts = slices.DeleteFunc(g.spec.Mounts, func(m rspec.Mount) bool { return m.Destination == at })
}

func (g *specGen) Mounts() []rspec.Mount { return g.spec.Mounts }

func (g *specGen) ClearMounts() { g.spec.Mounts = nil }

func (g *specGen) AddLinuxSysctl(key, value string) {
	if g.spec.Linux.Sysctl == nil {
		g.spec.Linux.Sysctl = map[string]string{}
	}
	g.spec.Linux.Sysctl[key] = value
}

func (g *specGen) ClearProcessEnv() { g.spec.Process.Env = nil }

func (g *specGen) AddProcessEnv(name, value string) {
	g.spec.Process.Env = slices.DeleteFunc(g.spec.Process.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	g.spec.Process.Env = append(g.spec.Process.Env, name+"="+value)
}

func (g *specGen) AddOrReplaceLinuxNamespace(kind, path string) error {
	want := rspec.LinuxNamespace{Type: rspec.LinuxNamespaceType(kind), Path: path}
	list := &g.spec.Linux.Namespaces
	if i := slices.IndexFunc(*list, func(n rspec.LinuxNamespace) bool { return n.Type == want.Type }); i >= 0 {
		(*list)[i] = want
	} else {
		*list = append(*list, want)
	}
	return nil
}
