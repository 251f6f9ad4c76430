// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/nodegate/nodegate/plugin/oci"
)

// wrapperPackage is what the wrapper's program says that it was built from.
const wrapperPackage = "github.com/nodegate/nodegate/cmd/nodegate-runc"

const wrapperName = "nodegate-runc"

// wrapper looks at the handlers' programs, at the wrapper in PATH, and at
// runc.toml.
func (g *gatherer) wrapper(ctx context.Context, handlers map[string]Handler) Wrapper {
	w := Wrapper{Programs: map[string]Told[Program]{}, Config: g.WrapperConfig, Own: g.Version}
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
		w.Settings, w.Err = told(WrapperSettings{Path: s.Path, StateDir: s.StateDir}), err
	}
	return w
}

// program tells what an OCI runtime's file is. The name says nothing.
func (g *gatherer) program(ctx context.Context, name string) Told[Program] {
	file, err := g.view.find(name)
	if err != nil {
		return unknown[Program](why(err))
	}
	p := Program{Path: file}
	f, err := g.view.host.Open(file)
	if err != nil {
		return unknown[Program](why(err))
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 2)
	if _, err := io.ReadFull(f, head); err == nil && string(head) == "#!" {
		p.Script = true
		return told(p)
	}
	info, err := buildinfo.Read(f)
	p.Wrapper = err == nil && info.Path == wrapperPackage
	if p.Wrapper {
		out, err := g.view.run(ctx, file, "", oci.VersionCommand)
		p.Version = strings.TrimSpace(string(out))
		if err != nil {
			p.Version = "unknown"
		}
	}
	return told(p)
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
func (g *gatherer) ociRuntime(ctx context.Context, f *Facts) Told[OCIRuntime] {
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
		return told(r)
	}
	r.Features = told(ociFeatures(&all))
	return told(r)
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
