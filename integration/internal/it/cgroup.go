// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"testing"

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
