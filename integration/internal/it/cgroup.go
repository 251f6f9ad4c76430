// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// Delegating is a policy whose profile "cgroup" hands a container its cgroup.
const Delegating = `
[profiles.cgroup]
cgroup = "writable"
` + "[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"cgroup\"]\n"

// AsksForCgroup is a pod that asks for that profile.
var AsksForCgroup = node.PodConfig{Namespace: "ci", Annotations: AskFor("cgroup")}

// InUserNamespace is the same pod with a user namespace.
func InUserNamespace(p node.PodConfig) node.PodConfig {
	p.UserNamespace = true
	return p
}

// SetNSDelegate sets the option of the machine's one cgroup v2 hierarchy, until the
// test's end.
func SetNSDelegate(t *testing.T, on bool) {
	t.Helper()
	at, had := cgroup2Mount(t)
	set := func(on bool) {
		option := ""
		if on {
			option = "nsdelegate"
		}
		Must(t, unix.Mount("none", at, "cgroup2", unix.MS_REMOUNT, option))
	}
	set(on)
	t.Cleanup(func() { set(had) })
}

func cgroup2Mount(t *testing.T) (at string, nsdelegate bool) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/mounts")
	Must(t, err)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			return f[1], slices.Contains(strings.Split(f[3], ","), "nsdelegate")
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return "", false
}

// ExpectDelegated checks who owns the files by which a cgroup is managed.
func ExpectDelegated(t *testing.T, c *node.Container, dir string, names ...string) {
	t.Helper()
	for _, name := range append(names, ".") {
		if f := Stat(t, c, dir+"/"+name); f.UID != 0 || f.GID != 0 {
			t.Errorf("%s/%s belongs to %d:%d", dir, name, f.UID, f.GID)
		}
	}
}

// ExpectNotDelegated checks that files belong to nobody in the container.
func ExpectNotDelegated(t *testing.T, c *node.Container, dir string, names ...string) {
	t.Helper()
	const nobody = 65534
	for _, name := range names {
		if f := Stat(t, c, dir+"/"+name); f.UID != nobody || f.GID != nobody {
			t.Errorf("%s/%s belongs to %d:%d", dir, name, f.UID, f.GID)
		}
	}
}
