// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

// Every version that the tests of nodegate run on is a node as a kubelet would see it.
func TestPods(t *testing.T) {
	for _, version := range node.Containerds() {
		for _, v2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("containerd %s, %s", version, cgroups(v2)), func(t *testing.T) {
				testPods(t, node.Options{Containerd: version, CgroupV2: v2})
			})
		}
	}
}

func cgroups(v2 bool) string {
	if v2 {
		return "cgroup v2"
	}
	return "cgroup v1"
}

func old(o node.Options) bool { return strings.HasPrefix(o.Containerd, "1.") }

func testPods(t *testing.T, o node.Options) {
	n, ctx := start(t, o)
	user := int64(1000)

	t.Run("version", func(t *testing.T) {
		// What an NRI plugin is told, and takes for the NRI that it may speak.
		v, err := n.CRI().Version(ctx, &runtimeapi.VersionRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got := v.GetRuntimeVersion(); got != "v"+o.Containerd {
			t.Errorf("containerd says that it is %s, want v%s", got, o.Containerd)
		}
	})

	t.Run("plain", func(t *testing.T) {
		began := time.Now()
		p, c := run(ctx, t, n, node.PodConfig{Name: "plain", Namespace: "test"}, node.ContainerConfig{RunAsUser: &user, DropCapabilities: []string{"ALL"}})
		t.Logf("pod running in %v", time.Since(began).Round(time.Millisecond))
		if old(o) { // ping for everybody is a default since 2.0
			probe(ctx, t, c, "EACCES", "ping", "127.0.0.1")
		} else {
			probe(ctx, t, c, "reply from 127.0.0.1", "ping", "127.0.0.1")
			probe(ctx, t, c, "reply from 10.88.0.1", "ping", "10.88.0.1")
		}
		probe(ctx, t, c, `{"uid":1000,"gid":0,"euid":1000,"egid":0,"groups":[0]}`, "id")
		probe(ctx, t, c, "ENOENT", "open", "/dev/kvm")
		spec, err := c.Spec()
		if err != nil {
			t.Fatal(err)
		}
		if got := spec.Annotations["io.kubernetes.cri.sandbox-namespace"]; got != "test" {
			t.Errorf("the spec's namespace is %q", got)
		}
		if len(spec.Linux.MaskedPaths) == 0 || spec.Linux.Seccomp != nil {
			t.Errorf("masked paths %q, seccomp %v: not what a kubelet asks for by default", spec.Linux.MaskedPaths, spec.Linux.Seccomp)
		}
		began = time.Now()
		if err := p.Remove(ctx); err != nil {
			t.Error(err)
		}
		t.Logf("pod removed in %v", time.Since(began).Round(time.Millisecond))
	})

	t.Run("user namespace", func(t *testing.T) {
		if old(o) {
			_, err := n.RunPod(ctx, node.PodConfig{Name: "userns", UserNamespace: true})
			want := "Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not support user namespaces: the handler \"\" is not known"
			if err == nil || err.Error() != want {
				t.Errorf("a pod with a user namespace: %v", err)
			}
			return
		}
		p, c := run(ctx, t, n, node.PodConfig{Name: "userns", UserNamespace: true}, node.ContainerConfig{RunAsUser: &user, Seccomp: node.SeccompRuntimeDefault})
		probe(ctx, t, c, "EACCES", "ping", "127.0.0.1")
		probe(ctx, t, c, "65534 65534", "sysctl", "net.ipv4.ping_group_range")
		spec, err := c.Spec()
		if err != nil {
			t.Fatal(err)
		}
		if spec.Linux.Seccomp == nil {
			t.Error("no seccomp profile")
		}
		sandbox, err := p.Spec()
		if err != nil {
			t.Fatal(err)
		}
		if len(sandbox.Linux.GIDMappings) != 1 || sandbox.Linux.GIDMappings[0].HostID != 100000 {
			t.Errorf("the sandbox's gid mappings are %v", sandbox.Linux.GIDMappings)
		}
		pid, err := p.Pid()
		if err != nil {
			t.Fatal(err)
		}
		gids, err := os.ReadFile(fmt.Sprintf("/proc/%d/gid_map", pid))
		if got := strings.Join(strings.Fields(string(gids)), " "); got != "0 100000 65536" || err != nil {
			t.Errorf("gid_map of the sandbox is %q (%v)", got, err)
		}
	})

	t.Run("host network, device, volume", func(t *testing.T) {
		volume := filepath.Join(n.Dir(), "volume")
		if err := os.Mkdir(volume, 0o755); err != nil {
			t.Fatal(err)
		}
		_, c := run(ctx, t, n, node.PodConfig{Name: "hostnet", HostNetwork: true}, node.ContainerConfig{
			Mounts:  []node.Mount{{HostPath: volume, ContainerPath: "/data"}},
			Devices: []node.Device{{HostPath: "/dev/null", ContainerPath: "/dev/other", Permissions: "r"}},
		})
		probe(ctx, t, c, "ok", "mkdir", "/data/x")
		probe(ctx, t, c, "ok", "open", "/dev/other", "r")
		if _, err := os.Stat(filepath.Join(volume, "x")); err != nil {
			t.Error(err)
		}
	})

	t.Run("privileged", func(t *testing.T) {
		_, c := run(ctx, t, n, node.PodConfig{Name: "privileged", Privileged: true}, node.ContainerConfig{Privileged: true})
		// Every node of the host's, with CAP_SYSLOG to open this one.
		probe(ctx, t, c, "ok", "open", "/dev/kmsg", "r")
	})

	t.Run("refusal as the kubelet shows it", func(t *testing.T) {
		p, err := n.RunPod(ctx, node.PodConfig{Name: "refused"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.RunContainer(ctx, node.ContainerConfig{Command: []string{"/missing"}})
		if err == nil || !strings.HasPrefix(err.Error(), "Error: ") || !strings.Contains(err.Error(), "/missing") {
			t.Errorf("a container without a program: %v", err)
		}
	})
}
