// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// oneOfEach are profiles of each kind: a sysctl, a device, a seccomp rule.
const oneOfEach = "ping,fuse,no-mknod"

const grantOneOfEach = `[[grants]]
namespaces = ["default"]
profiles = ["ping", "fuse", "no-mknod"]
`

// expectAll asks for what oneOfEach gives. A container without one of the three fails.
func expectAll(t *testing.T, c *node.Container) {
	t.Helper()
	answers, err := c.Probe(t.Context(), "each", "open /dev/fuse rw", "mknod b /disk 7 0", "sysctl net.ipv4.ping_group_range")
	if err != nil {
		t.Error(err)
		return
	}
	var got []string
	if err := json.Unmarshal([]byte(answers), &got); err != nil || len(got) != 3 || got[0] != "ok" || got[1] != "EPERM" || !strings.HasPrefix(got[2], "0") {
		t.Errorf("container %q of pod %q: /dev/fuse, mknod and ping_group_range answer %q", c.ID, it.SpecOf(t, c).Annotations["io.kubernetes.cri.sandbox-name"], got)
	}
}

// given is what an agent changes of a spec, as text that is equal for two containers
// that were given the same.
func given(t *testing.T, g *it.Gate, c *node.Container) string {
	t.Helper()
	spec := it.SpecOf(t, c)
	var mounts []string
	for _, m := range spec.Mounts {
		if strings.HasPrefix(m.Source, g.Shadows) {
			mounts = append(mounts, strings.Replace(m.Source, c.ID, "ID", 1)+" "+m.Destination+" "+strings.Join(m.Options, ","))
		}
	}
	nonces := 0
	for name := range spec.Annotations {
		if strings.HasPrefix(name, "nodegate.dev/") {
			nonces++
		}
	}
	text, err := json.MarshalIndent(map[string]any{
		"devices": spec.Linux.Devices, "rules": spec.Linux.Resources.Devices, "seccomp": spec.Linux.Seccomp,
		"sysctls": spec.Linux.Sysctl, "shadows": mounts, "nonces": nonces,
	}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
