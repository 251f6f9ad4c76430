// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/containerd"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/crio"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// configured finds out what the runtime is told by its files. Which runtime that
// is, its program says, not the name that it gives itself: only a containerd is run
// and asked.
func (g *gatherer) configured(ctx context.Context, r Fact[Runtime]) Fact[Containerd] {
	if g.pid == 0 {
		return g.containerd(ctx, r)
	}
	proc := "/proc/" + strconv.Itoa(g.pid)
	exe, err := os.Readlink(proc + "/exe")
	if err != nil {
		return unknown[Containerd](why(err))
	}
	cmdline, err := head(proc+"/cmdline", maxText)
	if err != nil {
		return unknown[Containerd](why(err))
	}
	line := containerd.ParseCommandLine(cmdline)
	program := path.Base(strings.TrimSuffix(exe, " (deleted)"))
	called := path.Base(line.Name)
	switch {
	case program == "crio" || called == "crio":
		return factOr(g.crio(line, r.Value.Version))
	case program != "containerd" && called != "containerd":
		return unknown[Containerd](fmt.Sprintf("%s is neither containerd nor CRI-O: how it is configured is not known", exe))
	}
	return g.containerd(ctx, r)
}

// crio reads CRI-O's files.
func (g *gatherer) crio(line containerd.CommandLine, version string) (c Containerd, err error) {
	config, folder := line.Option("config", "c"), line.Option("config-dir", "d")
	if config == "" {
		config = crio.DefaultConfig
	}
	if folder == "" {
		folder = crio.DropIns
	}
	s, err := crio.Load(config, folder, func(name string) ([]byte, error) {
		text, err := g.view.host.ReadFile(name, maxText)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return text, err
	}, func(folder string) ([]string, error) {
		names := g.list(folder, "*")
		slices.Sort(names)
		return names, nil
	})
	if err != nil {
		return c, err
	}
	c = Containerd{DropIns: folder, Config: config, Started: g.started, Changed: g.changed(s.Files), Handlers: map[string]Handler{}, NRI: crioNRI(s)}
	if known := runtimes.Of(runtimes.CRIO, version, ""); !known.Has(change.Validates) {
		c.NRI.Validator = nil
	}
	c.Default = s.Default()
	c.Root, _ = tomledit.Get[string](s.Doc, []string{"crio", "root"})
	all, _ := tomledit.Get[map[string]any](s.Doc, crio.Runtimes)
	manager, _ := tomledit.Get[string](s.Doc, []string{"crio", "runtime", "cgroup_manager"})
	if c.Default == crio.BuiltIn {
		c.Handlers[crio.BuiltIn] = Handler{BinaryName: crio.BuiltIn, SystemdCgroup: manager != "cgroupfs"}
	}
	for name := range all {
		h := Handler{BinaryName: name, SystemdCgroup: manager != "cgroupfs"}
		if program, _ := tomledit.Get[string](all, []string{name, "runtime_path"}); program != "" {
			h.BinaryName = program
		}
		c.Handlers[name] = h
	}
	return c, nil
}

// crioNRI reads NRI's settings, with CRI-O's defaults.
func crioNRI(s *crio.Settings) NRISettings {
	nri, _ := tomledit.Get[map[string]any](s.Doc, crio.NRI)
	n := NRISettings{Socket: "/var/run/nri/nri.sock", Registration: "5s", Request: "2s"}
	n.Disabled = nri["enable_nri"] == false
	n.NoConnections = nri["nri_disable_connections"] == true
	for key, into := range map[string]*string{"nri_listen": &n.Socket, "nri_plugin_registration_timeout": &n.Registration, "nri_plugin_request_timeout": &n.Request} {
		if text, _ := nri[key].(string); text != "" {
			*into = text
		}
	}
	table, _ := tomledit.Get[map[string]any](s.Doc, crio.Validator)
	n.Validator = validatorOf(table, "nri_enable_default_validator", crioTerms.keys)
	return n
}
