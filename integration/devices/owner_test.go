// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A device keeps the host's group, so that a user with that supplementary group opens
// it, as in /dev/dri. A user namespace does not have the group, unless it is mapped.
func TestDeviceGroup(t *testing.T) {
	const render = 993
	n := it.SharedNode(t)
	path := hostNode(t, "render", unix.S_IFCHR, 10, 229)
	it.Must(t, os.Chown(path, 0, render), os.Chmod(path, 0o660))
	_, agent := it.StartAgent(t, n, it.GrantApart("gpu", "gpu-user", "gpu-else", "gpu-993")+fmt.Sprintf(`
[profiles]
gpu.devices = [{ path = %[1]q, access = "rw" }]
gpu-user.devices = [{ path = %[1]q, access = "rw", gid = "user" }]
gpu-else.devices = [{ path = %[1]q, access = "rw", gid = ["host", "user"] }]
gpu-993.devices = [{ path = %[1]q, access = "rw", gid = 993 }]
`, path))
	asks := it.AskForEach("gpu", "gpu-user", "gpu-else", "gpu-993")
	open := func(t *testing.T, p *node.Pod, profile string, groups []int64, gid uint32, answer string) {
		t.Helper()
		c := it.RunContainer(t, p, node.ContainerConfig{Name: profile, RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000)), SupplementalGroups: groups})
		it.Expect(t, c, "open "+path+" rw", answer)
		if f := it.Stat(t, c, path); f.UID != 0 || f.GID != gid || f.Mode != "0660" {
			t.Errorf("%s: %+v, want the group %d", profile, f, gid)
		}
		it.Must(t, c.Remove(t.Context()))
	}
	t.Run("plain", func(t *testing.T) {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: asks})
		for profile, gid := range map[string]uint32{"gpu": render, "gpu-user": 1000, "gpu-else": render, "gpu-993": render} {
			open(t, p, profile, []int64{44, render}, gid, "ok")
		}
		open(t, p, "gpu", []int64{44}, render, "EACCES")
		it.WaitLogged(t, agent, "put 993 into the pod's supplementalGroups", 1)
	})
	t.Run("user namespace", func(t *testing.T) {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Annotations: asks, UserNamespace: true})
		open(t, p, "gpu", []int64{render}, 0, "EACCES")
		it.WaitLogged(t, agent, "since its mode is 0660 and it belongs to 0:0 there: write gid", 1)
		for profile, gid := range map[string]uint32{"gpu-user": 1000, "gpu-else": 1000, "gpu-993": render} {
			open(t, p, profile, []int64{render}, gid, "ok")
		}
	})
}
