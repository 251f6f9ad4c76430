// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/plugin/policy"
)

// policy gathers what the policy wants of the node; problem is why it does not
// load, or nil.
func (g *gatherer) policy(problem error) Policy {
	c := g.config
	p := Policy{
		Path: g.Policy, Err: problem, Hash: c.Hash, Audit: c.Policy.Audit(), Grants: len(c.Grants),
		Handlers: c.Runtime.Handlers, StateDir: c.State.Dir, Socket: c.NRI.Socket, InContainer: c.State.HostRoot != "/",
	}
	if problem != nil {
		return p
	}
	warned, _ := lint.Count(lint.Check(c))
	p.Warnings = warned[lint.Warning]
	devices := map[string]*Device{}
	wrapped := map[string]bool{}
	for _, profile := range granted(c) {
		p.Seccomp = p.Seccomp || len(profile.Seccomp) > 0
		p.Sysctls = p.Sysctls || len(profile.Sysctls) > 0
		p.Cgroup = p.Cgroup || profile.CgroupWritable
		wrapped["capabilities"] = wrapped["capabilities"] || len(profile.Capabilities.Add)+len(profile.Capabilities.Drop) > 0
		wrapped["proc_mount"] = wrapped["proc_mount"] || profile.ProcUnmasked
		wrapped["adopt_devices"] = wrapped["adopt_devices"] || profile.AdoptDevices
		for _, rule := range profile.Devices {
			d := devices[rule.Path]
			if d == nil {
				d = &Device{Path: rule.Path, Optional: true}
				devices[rule.Path] = d
			}
			d.Profiles = append(d.Profiles, profile.Name)
			d.Optional = d.Optional && rule.Optional
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wrapped)) {
		if wrapped[name] {
			p.Wrapped = append(p.Wrapped, name)
		}
	}
	found := g.node.LookupDevices(slices.Collect(maps.Keys(devices)))
	for _, at := range slices.Sorted(maps.Keys(devices)) {
		d := devices[at]
		d.Lookup = found[at]
		p.Devices = append(p.Devices, *d)
	}
	return p
}

// granted returns the profiles that the grants name and those that these
// include, each once.
func granted(c *config.Config) []policy.Profile {
	byName := map[string]policy.Profile{}
	for _, p := range c.Profiles {
		byName[p.Name] = p.Profile
	}
	var names []string
	for _, g := range c.Grants {
		names = append(names, g.Profiles...)
	}
	var out []policy.Profile
	for len(names) > 0 {
		p, ok := byName[names[0]]
		names = names[1:]
		if !ok {
			continue // had already
		}
		delete(byName, p.Name)
		out = append(out, p)
		names = append(names, p.Include...)
	}
	return out
}

const agentLimit = 3 * time.Second

// agent asks the agent whether it is ready.
func (g *gatherer) agent(ctx context.Context) Told[Agent] {
	a := Agent{Listen: g.config.Server.Listen}
	network, address, _ := strings.Cut(a.Listen, "://")
	client := http.Client{Timeout: agentLimit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nodegate/readyz", nil)
	if err != nil {
		return unknown[Agent](err.Error())
	}
	reply, err := client.Do(request)
	if err != nil {
		var at *net.OpError
		if errors.As(err, &at) {
			err = at
		}
		if because := why(err); because == needsRoot {
			return unknown[Agent](because)
		}
		a.Err = err
		return told(a)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 4096))
	if err != nil {
		return unknown[Agent](fmt.Sprintf("reading the agent's answer: %v", err))
	}
	a.Ready, a.Says = reply.StatusCode == http.StatusOK, oneLine(string(text))
	if a.Ready {
		a.Says = strings.TrimSpace(strings.TrimPrefix(a.Says, "ready"))
	}
	return told(a)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
