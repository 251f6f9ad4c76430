// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import "testing"

// What a pod asks for it gets, where its namespace is granted it; else its events say so.
func TestPods(t *testing.T) {
	k := installed(t)
	k.namespace("ci")
	k.apply(manifest("ci", "fuse", `profiles.nodegate.dev: "fuse, ping"`, "hostUsers: false"))
	k.apply(manifest("ci", "wrapped", `profiles.nodegate.dev: fuse`, "hostUsers: false\n  runtimeClassName: nodegate"))
	k.apply(manifest("ci", "plain", `a: b`, ""))
	k.apply(manifest("ci", "greedy", `profiles.nodegate.dev: kvm`, ""))
	for _, pod := range []string{"fuse", "wrapped", "plain"} {
		k.ready("ci", pod)
	}
	for _, tc := range []struct{ pod, question, want string }{
		{"fuse", "open /dev/fuse rw", "ok"}, {"fuse", "ping 127.0.0.1", "reply from 127.0.0.1"}, {"fuse", "open /dev/kvm rw", "ENOENT"},
		{"wrapped", "open /dev/fuse rw", "ok"}, {"plain", "open /dev/fuse rw", "ENOENT"},
	} {
		if got := k.probe("ci", tc.pod, tc.question); got != tc.want {
			t.Errorf("%s: %s: %s, want %s", tc.pod, tc.question, got, tc.want)
		}
	}
	const want = `nodegate: container "app" of pod ci/greedy asks for profile "kvm", which is not granted in namespace "ci" (granted there: fuse, ping)`
	if got := k.refused("ci", "greedy"); got != want {
		t.Errorf("refused with\n%s, want\n%s", got, want)
	}
}
