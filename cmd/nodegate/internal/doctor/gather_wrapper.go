// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/oci"
	"github.com/nodegate/nodegate/plugin/policy"
)

// wrapperPackage is what the wrapper's program says that it was built from.
const wrapperPackage = "github.com/nodegate/nodegate/cmd/nodegate-runc"

const wrapperName = "nodegate-runc"

// wrapper looks at the handlers' programs, at the wrapper in PATH, and at
// runc.toml.
func (g *gatherer) wrapper(ctx context.Context, handlers map[string]Handler) Wrapper {
	w := Wrapper{Programs: map[string]Fact[Program]{}, Config: g.WrapperConfig, Own: g.Version}
	names := []string{wrapperName}
	for _, h := range handlers {
		names = append(names, binary(h))
	}
	for _, name := range names {
		if _, done := w.Programs[name]; !done {
			w.Programs[name] = g.program(ctx, name)
		}
	}
	text, err := g.view.host.ReadFile(g.WrapperConfig, maxText)
	switch {
	case err != nil && why(err) == needsRoot:
		w.Settings = unknown[WrapperSettings](needsRoot)
	case err != nil:
		w.Err = err
	default:
		s, err := oci.ParseSettings(g.WrapperConfig, text)
		w.Settings, w.Err = fact(WrapperSettings{Path: s.Path, StateDir: s.StateDir}), err
	}
	return w
}

// program tells what an OCI runtime's file is.
func (g *gatherer) program(ctx context.Context, name string) Fact[Program] {
	p, err := g.view.program(name)
	if err != nil {
		return unknown[Program](why(err))
	}
	if p.Wrapper {
		out, err := g.view.run(ctx, p.Path, "", oci.VersionCommand)
		p.Version = strings.TrimSpace(string(out))
		if err != nil {
			p.Version = "unknown"
		}
	}
	return fact(p)
}

// program looks at an OCI runtime's file. The name says nothing.
func (v view) program(name string) (p Program, err error) {
	if p.Path, err = v.find(name); err != nil {
		return p, err
	}
	f, err := v.host.Open(p.Path)
	if err != nil {
		return p, err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 2)
	if _, err := io.ReadFull(f, head); err == nil && string(head) == "#!" {
		p.Script = true
		return p, nil
	}
	info, err := buildinfo.Read(f)
	p.Wrapper = err == nil && info.Path == wrapperPackage
	return p, nil
}

// Wraps reports whether an OCI runtime's program, a path or a name for PATH, is
// nodegate-runc. Of one that is not there it is no, of a script or one that cannot be read
// unknown.
func Wraps(h *host.Host, program string) policy.Known[bool] {
	p, err := view{root: "/", host: h, path: defaultPath}.program(program)
	if p.Script || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return policy.Known[bool]{}
	}
	return policy.Is(p.Wrapper)
}

// binary is the program of a handler.
func binary(h Handler) string {
	if h.BinaryName == "" {
		return "runc"
	}
	return h.BinaryName
}

// ociRuntime asks the real OCI runtime: the one that the wrapper becomes, or
// that of the default handler.
func (g *gatherer) ociRuntime(ctx context.Context, f *Facts) Fact[OCIRuntime] {
	name := binary(handlers(f)[defaultHandler(f)])
	if f.Wrapper.Programs[name].Value.Wrapper {
		name = f.Wrapper.Settings.Value.Path
		if name == "" {
			name = "runc"
		}
	}
	file, err := g.view.find(name)
	if err != nil {
		return unknown[OCIRuntime](why(err))
	}
	r := OCIRuntime{Path: file}
	out, err := g.view.run(ctx, file, "", "--version")
	if err != nil {
		return unknown[OCIRuntime](why(err))
	}
	r.Version, _, _ = strings.Cut(string(out), "\n")
	out, err = g.view.run(ctx, file, "", "features")
	var all features.Features
	if err == nil {
		err = json.Unmarshal(out, &all)
	}
	if err != nil {
		r.Features = unknown[OCIFeatures](fmt.Sprintf("%s features: %v", path.Base(file), err))
		return fact(r)
	}
	r.Features = fact(ociFeatures(&all))
	return fact(r)
}

func ociFeatures(all *features.Features) (f OCIFeatures) {
	if all.Linux == nil {
		return f
	}
	f.Seccomp = all.Linux.Seccomp != nil && all.Linux.Seccomp.Enabled != nil && *all.Linux.Seccomp.Enabled
	m := all.Linux.MountExtensions
	f.IDMap = m != nil && m.IDMap != nil && m.IDMap.Enabled != nil && *m.IDMap.Enabled
	return f
}
