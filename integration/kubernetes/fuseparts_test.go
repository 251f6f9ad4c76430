// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/internal/recipes"
)

// Of the recipe for FUSE file systems, the capability alone mounts nothing, and neither
// does the seccomp rule alone; with both a pod mounts and unmounts.
func TestFUSEParts(t *testing.T) {
	cluster.Require(t, "tools")
	needDevices(t)
	r := recipes.Read(t, "../..")["FUSE file systems"]
	k := installed(t)
	if _, err := k.Import(t.Context(), "tools"); err != nil {
		t.Fatal(err)
	}
	k.cook(r)
	k.namespace("recipes-fuse", "pod-security.kubernetes.io/enforce="+r.Level)
	for _, profile := range []string{"fuse-no-seccomp", "fuse-no-capability"} {
		k.apply(r.Manifest(t, append(recipes.Named(profile),
			`(?m)^  namespace: .*$`, "  namespace: recipes-fuse", `profiles\.nodegate\.dev: .*`, "profiles.nodegate.dev: "+profile)...))
	}
	for _, profile := range []string{"fuse-no-seccomp", "fuse-no-capability"} {
		// mount(2) answers EPERM, and squashfuse turns to a helper, which needs to be setuid.
		k.shows("kubectl -n recipes-fuse logs "+profile, "…\nfusermount3: could not determine username\n…")
	}
	// Process 1 ends once its file system is unmounted.
	k.ready(r.Namespace, r.Pod)
	k.shows("kubectl -n "+r.Namespace+" exec "+r.Pod+" -- cat mnt/greeting", "hello")
	k.exec(r.Namespace, r.Pod, "umount", "mnt")
	k.shows("kubectl -n "+r.Namespace+" get pod "+r.Pod+" -o jsonpath={.status.containerStatuses[0].restartCount}", "1")
}
