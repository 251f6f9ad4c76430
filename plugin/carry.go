// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/policy"
)

// carry divides an adjustment between NRI, as the runtime speaks it, and the
// wrapper. It refuses what neither can carry. own is the container's own
// seccomp profile.
func (r *runtimeInfo) carry(pol *policy.Policy, req *policy.Request, a *policy.Adjustment, own policy.Known[*specs.LinuxSeccomp]) (*api.ContainerAdjustment, policy.Adjustment, error) {
	e := encoder{level: r.level, cdi: r.cdi, seccomp: own, archs: policy.Architectures(goruntime.GOARCH)}
	change, left, uncarried, err := e.encode(a)
	if err != nil {
		return nil, left, req.Refuse(policy.Conflict, "would get seccomp rules that its own profile leaves no room for: %s", err)
	}
	if cdi := left.CDIDevices; len(cdi) > 0 {
		// Neither hand can: what the names stand for is the runtime's to know.
		return nil, left, req.Refuse(policy.NotCarried, "would get the CDI devices %s, which %s cannot inject for a plugin: use containerd 2.1 or later, or 1.7.30 or a later 1.7",
			strings.Join(cdi, ", "), r)
	}
	if len(uncarried) > 0 && !pol.Wrapped(req.Handler) {
		return nil, left, req.Refuse(policy.NotCarried, "would get %s, which %s cannot carry: %s",
			strings.Join(uncarried, " and "), r, underWrapper(pol))
	}
	return change, left, nil
}

// Surface is who carries a part of an adjustment.
type Surface string

// The surfaces.
const (
	ByAgent   Surface = "agent"   // on the node itself
	ByNRI     Surface = "NRI"     // in the reply to the runtime
	ByWrapper Surface = "wrapper" // nodegate-runc
	ByNobody  Surface = "nobody"  // which refuses the container
)

// CarriedPart is a part of an adjustment and who carries it.
type CarriedPart struct {
	policy.Part
	By Surface
}

// Runtime is a container runtime, of which the version tells what it takes
// from a plugin.
type Runtime struct{ info runtimeInfo }

// NewestRuntime is the newest release that the tests of this release run on.
const NewestRuntime = "containerd/2.4.2"

// ParseRuntime reads a name and a version: "containerd/2.2.1".
func ParseRuntime(s string) (Runtime, error) {
	name, version, _ := strings.Cut(s, "/")
	if _, ok := parseVersion(version); !ok || name == "" {
		return Runtime{}, fmt.Errorf("%q is no runtime: write a name and a version, such as %s", s, NewestRuntime)
	}
	return Runtime{newRuntimeInfo(name, version, "")}, nil
}

// String names the runtime, its version and its level of NRI.
func (r Runtime) String() string { return r.info.String() }

// TellsContainer reports whether the runtime tells a plugin the container's
// user and its seccomp profile.
func (r Runtime) TellsContainer() bool { return r.info.level.atLeast(levelSeesPolicy) }

// Carry says which surface carries each part of an adjustment, for a container
// of the request under the runtime, and refuses what the agent would refuse
// there. It changes nothing.
func (r Runtime) Carry(pol *policy.Policy, req *policy.Request, a *policy.Adjustment, own *specs.LinuxSeccomp) ([]CarriedPart, error) {
	seccomp := policy.Known[*specs.LinuxSeccomp]{Value: own, OK: r.TellsContainer()}
	_, left, err := r.info.carry(pol, req, a, seccomp)
	rest := ByNobody
	if pol.Wrapped(req.Handler) {
		rest = ByWrapper
	}
	out := []CarriedPart{}
	leftParts := left.Parts()
	for _, part := range a.Parts() {
		by := ByNRI
		switch isLeft := slices.ContainsFunc(leftParts, func(l policy.Part) bool { return l.Field == part.Field && l.Text == part.Text }); {
		case part.Field == policy.NodeField:
			by = ByAgent
		case part.Field == policy.CDIField && isLeft:
			by = ByNobody
		case isLeft:
			by = rest
		}
		out = append(out, CarriedPart{part, by})
	}
	return out, err
}
