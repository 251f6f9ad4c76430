// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
)

// maxText bounds a file of /proc or /sys, in bytes.
const maxText = 16 << 20

func (g *gatherer) kernel() (k Kernel) {
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		k.Release = unix.ByteSliceToString(name.Release[:])
	}
	makes, err := g.node.UserNamespaces()
	k.UserNamespaces = fact(makes)
	if err != nil {
		k.UserNamespaces = unknown[bool](why(err))
	}
	return k
}

// cgroup looks at the mounts as containerd has them.
func (g *gatherer) cgroup() (c Cgroup) {
	if found := g.view.host.Cgroup(); found.OK {
		c.Version = policy.Is(found.Value.Version)
	}
	table, err := g.node.ReadFile("/proc/"+g.process()+"/mountinfo", maxText)
	if err != nil {
		c.NSDelegate = unknown[bool](why(err))
		return c
	}
	c.NSDelegate = nsDelegate(table)
	return c
}

// process is a process that is in the node's own namespaces, as below host_root.
func (g *gatherer) process() string {
	switch {
	case g.pid != 0:
		return strconv.Itoa(g.pid)
	case g.config.State.HostRoot != "/":
		return "1"
	}
	return "self"
}

// nsDelegate looks for the option of cgroup2, which holds for the whole
// hierarchy wherever it is mounted; see
// https://docs.kernel.org/admin-guide/cgroup-v2.html#mounting
func nsDelegate(table []byte) Fact[bool] {
	mounts, err := mountinfo.GetMountsFromReader(bytes.NewReader(table), mountinfo.FSTypeFilter("cgroup2"))
	switch {
	case err != nil:
		return unknown[bool](err.Error())
	case len(mounts) == 0:
		return unknown[bool]("no cgroup2 is mounted")
	}
	return fact(slices.Contains(strings.Split(mounts[0].VFSOptions, ","), "nsdelegate"))
}

// nriSocket looks at the policy's socket in the kernel's list: connecting to it
// would be taken for a plugin.
func (g *gatherer) nriSocket() Fact[NRISocket] {
	s := NRISocket{Path: g.config.NRI.Socket}
	text, err := g.node.ReadFile("/proc/"+g.process()+"/net/unix", maxText)
	if err != nil {
		return unknown[NRISocket](why(err))
	}
	s.Listening, s.Plugins = listening(text, s.Path)
	return fact(s)
}

// listening reads /proc/net/unix: its flags (1<<16 is a socket that accepts)
// and its states (3 is a connection), see
// https://elixir.bootlin.com/linux/v6.12/source/net/unix/af_unix.c#L3461
func listening(table []byte, socket string) (accepts bool, connections int) {
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) < 8 || shortPath(string(fields[7])) != shortPath(socket) {
			continue
		}
		flags, err := strconv.ParseUint(string(fields[3]), 16, 32)
		switch {
		case err == nil && flags&(1<<16) != 0:
			accepts = true
		case string(fields[5]) == "03":
			connections++
		}
	}
	return accepts, connections
}

// shortPath spells a path as most nodes have it: /var/run is a link to /run.
func shortPath(p string) string {
	p = path.Clean(p)
	if rest, ok := strings.CutPrefix(p, "/var/run/"); ok {
		return "/run/" + rest
	}
	return p
}

// shadows tries out mknod in the shadow directory, and there what the policy
// needs.
func (g *gatherer) shadows() (Fact[error], Fact[*host.ConfinedError]) {
	if os.Geteuid() != 0 {
		return unknown[error](needsRoot), unknown[*host.ConfinedError](needsRoot)
	}
	shadows, err := host.NewShadows(g.config.State.HostRoot, g.config.State.ShadowDir)
	var confined *host.ConfinedError
	_ = errors.As(g.node.Confinement(shadows, g.config.Policy.Needs()), &confined)
	var typed *host.ShadowDirError
	if err != nil && !errors.As(err, &typed) {
		return unknown[error](fmt.Sprintf("shadow_dir: %v", err)), fact(confined)
	}
	return fact(err), fact(confined)
}
