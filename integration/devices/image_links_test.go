// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// An image's /dev, or another path of a device, is a link into a volume. The runtime makes
// the node there, where another pod finds it and cannot open it; with a user namespace it
// makes none.
func TestAttackLinksOfAnImage(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	image := it.ImportWithNodes(t, n, it.ImageNode{Path: "data", Link: "/vol"}, it.ImageNode{Path: "dev", Link: "/vol"})
	it.StartAgent(t, n, it.GrantApart("fuse", "outside")+`
[profiles.outside]
devices = [{ path = "/dev/fuse", access = "rw", container_path = "/data/fuse" }]
`)
	for _, tc := range []struct {
		profile string
		userns  bool
	}{{"fuse", false}, {"fuse", true}, {"outside", false}, {"outside", true}} {
		t.Run(fmt.Sprint(tc.profile, ", user namespace ", tc.userns), func(t *testing.T) {
			volume := t.TempDir()
			it.Must(t, os.Chmod(volume, 0o777))
			mounts := []node.Mount{{HostPath: volume, ContainerPath: "/vol"}}
			pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: tc.userns, Annotations: it.AskFor(tc.profile)})
			if _, err := pod.RunContainer(t.Context(), node.ContainerConfig{Image: image, Mounts: mounts}); err != nil {
				return // a runtime that makes none there is right too
			}
			found, err := os.Lstat(filepath.Join(volume, "fuse"))
			if err != nil {
				return
			}
			if tc.userns {
				if found.Mode()&os.ModeDevice != 0 {
					t.Errorf("the volume holds %v", found.Mode())
				}
				return
			}
			other := it.Run(t, n, node.PodConfig{Namespace: "free"}, node.ContainerConfig{Mounts: mounts})
			it.Expect(t, other, "open /vol/fuse rw", "EPERM")
		})
	}
}
