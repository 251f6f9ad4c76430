// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/containerd"
)

// containerd asks the very program that runs what it makes of its files. The
// CRI tells nothing of NRI's settings.
func (g *gatherer) containerd(ctx context.Context, r Fact[Runtime]) Fact[Containerd] {
	switch {
	case g.pid == 0 && !r.OK():
		return unknown[Containerd](r.Unknown)
	case g.pid == 0:
		return unknown[Containerd]("containerd's process cannot be seen from here: run doctor on the node itself")
	}
	proc := "/proc/" + strconv.Itoa(g.pid)
	exe, err := os.Readlink(proc + "/exe")
	if err != nil {
		return unknown[Containerd](why(err))
	}
	if strings.HasSuffix(exe, " (deleted)") {
		return unknown[Containerd]("its program was replaced since it started: restart containerd")
	}
	cmdline, err := head(proc+"/cmdline", maxText)
	if err != nil {
		return unknown[Containerd](why(err))
	}
	line := containerd.ParseCommandLine(cmdline)
	file := line.Option("config", "c")
	bundled := containerd.BundledConfig(exe)
	switch {
	case file != "":
	case bundled != "" && line.Overwritten:
		file = bundled
	case line.Overwritten:
		return unknown[Containerd]("it has overwritten its command line, so the configuration that it reads is not known")
	default:
		file = containerd.DefaultConfig
	}
	// By the name that it was called by: k3s has many programs in one.
	text, err := g.view.run(ctx, exe, line.Name, "--config", file, "config", "dump")
	if err != nil {
		return unknown[Containerd](err.Error())
	}
	c, imports, err := parseContainerd(text)
	if err != nil {
		return unknown[Containerd](fmt.Sprintf("reading what containerd says of its configuration: %v", err))
	}
	c.Config, c.Edit = file, file
	if file == bundled {
		c.Edit = g.editable(file, imports)
	}
	if root := line.Option("root", ""); root != "" {
		c.Root = root
	}
	c.Started = g.started
	c.Changed = g.changed(append(imports, file))
	return fact(c)
}

// editable names what k3s and RKE2 make a generated configuration of: a file in the
// folder that it imports, or a template beside it.
func (g *gatherer) editable(generated string, imports []string) string {
	folder := path.Dir(generated)
	for _, pattern := range imports {
		if path.Dir(path.Dir(pattern)) == folder && path.Base(pattern) == "*.toml" {
			return path.Join(path.Dir(pattern), "nri.toml")
		}
	}
	var own struct{ Version int }
	text, err := g.view.host.ReadFile(generated, maxText)
	if err == nil && toml.Unmarshal(text, &own) == nil && own.Version == 2 {
		return path.Join(folder, "config.toml.tmpl")
	}
	return path.Join(folder, "config-v3.toml.tmpl")
}

// head reads the beginning of a file.
func head(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit))
}

// parseContainerd reads containerd's configuration of version 2, 3 or 4, as it
// writes it with all defaults.
func parseContainerd(text []byte) (c Containerd, imports []string, err error) {
	type runtimes struct {
		Containerd struct {
			Default  string `toml:"default_runtime_name"`
			Runtimes map[string]struct {
				Options struct {
					BinaryName    string
					SystemdCgroup bool
				} `toml:"options"`
			} `toml:"runtimes"`
		} `toml:"containerd"`
	}
	var all struct {
		Version int      `toml:"version"`
		Root    string   `toml:"root"`
		Imports []string `toml:"imports"`
		Plugins struct {
			CRI *runtimes `toml:"io.containerd.cri.v1.runtime"`
			Old *runtimes `toml:"io.containerd.grpc.v1.cri"`
			NRI *nriTable `toml:"io.containerd.nri.v1.nri"`
		} `toml:"plugins"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).Decode(&all); err != nil {
		return c, nil, err
	}
	cri := all.Plugins.CRI
	if cri == nil {
		cri = all.Plugins.Old
	}
	if cri == nil || all.Plugins.NRI == nil {
		return c, nil, errors.New("it has no CRI or no NRI: a containerd from 1.7 on has both, unless disabled_plugins names one")
	}
	c = Containerd{Version: all.Version, Root: all.Root, Default: cri.Containerd.Default,
		Handlers: map[string]Handler{}, NRI: all.Plugins.NRI.settings()}
	for name, h := range cri.Containerd.Runtimes {
		c.Handlers[name] = Handler(h.Options)
	}
	return c, all.Imports, nil
}

type nriTable struct {
	Disable       bool           `toml:"disable"`
	NoConnections bool           `toml:"disable_connections"`
	Socket        string         `toml:"socket_path"`
	Registration  string         `toml:"plugin_registration_timeout"`
	Request       string         `toml:"plugin_request_timeout"`
	Validator     map[string]any `toml:"default_validator"`
}

func (t *nriTable) settings() NRISettings {
	s := NRISettings{Disabled: t.Disable, NoConnections: t.NoConnections, Socket: t.Socket, Registration: t.Registration, Request: t.Request}
	if t.Validator == nil {
		return s
	}
	s.Validator = validatorOf(t.Validator, "enable", "")
	return s
}

// validatorOf reads the default validator's settings. enable is the key that switches it
// on; the others have the prefix.
func validatorOf(table map[string]any, enable, prefix string) *Validator {
	v := &Validator{}
	for key, value := range table {
		own := strings.TrimPrefix(key, prefix)
		on, _ := value.(bool)
		list, _ := value.([]any)
		switch {
		case key == enable:
			v.Enabled = on
		case strings.HasPrefix(own, "reject_") && on:
			v.Rejects = append(v.Rejects, own)
		case own == "required_plugins":
			for _, name := range list {
				v.Required = append(v.Required, fmt.Sprint(name))
			}
		case own == "tolerate_missing_plugins_annotation":
			v.Tolerate, _ = value.(string)
		}
	}
	slices.Sort(v.Rejects)
	return v
}

// changed returns when the newest of containerd's files changed. An import may
// be a glob.
func (g *gatherer) changed(files []string) (newest time.Time) {
	for _, pattern := range files {
		dir, base := path.Split(pattern)
		names := []string{base}
		if strings.ContainsAny(base, "*?[") {
			names = g.list(dir, base)
		}
		for _, name := range names {
			f, err := g.view.host.Open(path.Join(dir, name))
			if err != nil {
				continue // that it is not there is no change
			}
			// What is yet to come was written before the clock was set back.
			if info, err := f.Stat(); err == nil && info.ModTime().After(newest) && !info.ModTime().After(time.Now()) {
				newest = info.ModTime()
			}
			_ = f.Close()
		}
	}
	return newest
}

func (g *gatherer) list(dir, pattern string) (names []string) {
	d, err := g.view.host.Open(path.Clean(dir))
	if err != nil {
		return nil
	}
	defer func() { _ = d.Close() }()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	for _, name := range all {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			names = append(names, name)
		}
	}
	return names
}
