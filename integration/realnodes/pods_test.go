// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"fmt"
	"slices"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// attach is the machine's containerd, spoken to on the machine.
func attach(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Attach(t.Context(), node.Options{SystemdCgroup: true})
	it.Must(t, err)
	t.Cleanup(func() { it.Must(t, n.Close()) })
	return n
}

// granted is what a pod with these profiles gets.
var granted = []it.QA{
	{"open /dev/fuse rw", "ok"},
	{"ioctl-tun", "ok"},
	{"ping 127.0.0.1", "reply from 127.0.0.1"},
	{"mknod b /dev/shm/block 7 0", "EPERM"},
	{"cat /proc/self/attr/current", "cri-containerd.apparmor.d (enforce)\n"},
}

// raised are limits above those of containerd's own unit.
var raised = []it.QA{{"limit nofile", "1048576:1048576"}, {"limit memlock", "unlimited:unlimited"}}

// installedPods is the part on the machine: real pods below containerd's own AppArmor
// profile, with a user namespace and without, by NRI and by the wrapper.
func installedPods(t *testing.T) {
	n := attach(t)
	for _, handler := range []string{"", "nodegate"} {
		for _, userns := range []bool{false, true} {
			t.Run(fmt.Sprintf("handler %q, user namespace %v", handler, userns), func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Handler: handler, Annotations: it.AskFor("fuse,tun,ping,no-mknod,podman,dpdk")})
				it.ExpectEach(t, it.RunContainer(t, pod, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault}), slices.Concat(granted, raised))
				user := node.ContainerConfig{Name: "user", RunAsUser: new(int64(1000)), Seccomp: node.SeccompRuntimeDefault}
				it.ExpectEach(t, it.RunContainer(t, pod, user), raised)
				ran := time.Since(began)
				it.Remove(t, pod)
				t.Logf("ran after %.1f s, gone after %.1f s", ran.Seconds(), time.Since(began).Seconds())
			})
		}
	}
}

// removeAll removes every pod that containerd knows, as the kubelet does with those that it
// has not started itself, and returns how many there were.
func removeAll(t *testing.T, n *node.Node) int {
	t.Helper()
	pods, err := n.CRI().ListPodSandbox(t.Context(), &runtimeapi.ListPodSandboxRequest{})
	it.Must(t, err)
	for _, p := range pods.GetItems() {
		it.Must(t, node.RemoveSandbox(t.Context(), n.CRI(), p.GetId()))
	}
	return len(pods.GetItems())
}
