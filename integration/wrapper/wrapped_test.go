// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/record"
)

const noRecord = `has no decision record, so its adjustment is not known: see that the nodegate agent runs on this node, or add "team" to exempt_namespaces`

// The wrapper as the default runtime locks no node out: what is exempt starts without
// an agent, the agent's own pod among it, and all else is refused with a sentence that
// says what to do.
func TestWrappedByDefault(t *testing.T) {
	for _, version := range []string{node.DefaultContainerd, "1.7.35"} {
		t.Run(version, func(t *testing.T) { testWrappedByDefault(t, version) })
	}
}

func testWrappedByDefault(t *testing.T, version string) {
	n, w := it.WrappedNode(t, node.Options{Containerd: version, DefaultHandler: it.Wrapped})
	g := it.NewGate(t, n, "runtime.handlers = [\"\", \"nodegate\"]\n"+it.GrantApart("mknod"))
	w.Exempt(t, g.State)
	for _, namespace := range []string{"kube-system", "nodegate"} {
		c := it.Run(t, n, node.PodConfig{Namespace: namespace}, node.ContainerConfig{})
		it.Expect(t, c, "open /dev/null rw", "ok")
	}
	lost := it.RunPod(t, n, node.PodConfig{Namespace: "team"})
	if got := it.Refusal(t, lost, node.ContainerConfig{}); !strings.Contains(got, noRecord) {
		t.Errorf("without an agent: %s", got)
	}

	agent := g.Start(t)
	it.RunContainer(t, lost, node.ContainerConfig{Name: "again"})
	granted := it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("mknod")}, node.ContainerConfig{DropCapabilities: []string{"ALL"}})
	it.Expect(t, granted, "mknod c /tmp/one 1 3", "ok")
	it.Kill(t, n, agent)
	it.Expect(t, granted, "mknod c /tmp/two 1 3", "ok") // an exec needs no agent

	// Whatever is wrong with the configuration, what runs can be seen, stopped and
	// removed, and nothing is created unadjusted.
	it.Must(t, os.WriteFile(w.Config, []byte("version = 1\npath = [\n"), 0o644))
	if got := it.Refusal(t, lost, node.ContainerConfig{Name: "broken"}); !strings.Contains(got, w.Config+":") {
		t.Errorf("with a broken configuration: %s", got)
	}
	it.Must(t, granted.Remove(t.Context()))
	w.Exempt(t, g.State)
	g.Start(t) // sweeps what the killed one left
	it.Remove(t, lost)
}

// A handler of runtime.handlers that runs another program is noticed before the
// container's own program runs.
func TestWrappedByAnotherProgram(t *testing.T) {
	bin, err := node.BinDir()
	it.Must(t, err)
	n := it.StartNode(t, node.Options{Handlers: map[string]string{it.Wrapped: filepath.Join(bin, "runc")}})
	it.StartAgent(t, n, it.GrantApart("fuse"))
	p := it.RunPod(t, n, node.PodConfig{Namespace: "team", Handler: it.Wrapped})
	marks := it.NewMarks(t, n)
	want := `was created without nodegate-runc: the runtime handler "nodegate" must have it as its BinaryName, or leave runtime.handlers`
	if got := it.Refusal(t, p, marks.Container("bypassed")); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
	marks.Expect(t, "bypassed", false)
}

// No annotation of a pod steers the wrapper, also where containerd passes all of them on.
func TestWrappedForgedAnnotations(t *testing.T) {
	// "*" stands for no "/".
	const all = "pod_annotations = [\"*\", \"*/*\"]\ncontainer_annotations = [\"*\", \"*/*\"]\n"
	n, w := it.WrappedNode(t, node.Options{ExtraConfig: fmt.Sprintf(
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%s]\n%s", it.Wrapped, all)})
	forged := map[string]string{
		record.Annotation: strings.Repeat("0", 32), "profiles.nodegate.dev": "mknod", "nodegate.dev/profiles": "mknod",
		"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "x", "io.kubernetes.cri.sandbox-name": "p",
		"io.kubernetes.cri.sandbox-namespace": "kube-system", "io.kubernetes.cri.container-name": "",
	}
	pod := node.PodConfig{Namespace: "team", Handler: it.Wrapped, Annotations: forged}
	c := node.ContainerConfig{Annotations: forged}
	p := it.RunPod(t, n, pod)
	if got := it.Refusal(t, p, c); !strings.Contains(got, noRecord) {
		t.Errorf("without an agent: %s", got)
	}
	spec, err := p.Spec()
	it.Must(t, err)
	if a := spec.Annotations; a[record.Annotation] != forged[record.Annotation] || a["nodegate.dev/profiles"] != "mknod" {
		t.Fatalf("containerd passes no annotation on, so this shows nothing: %q", a)
	}
	if a := spec.Annotations; a["io.kubernetes.cri.sandbox-namespace"] != "team" || a["io.kubernetes.cri.sandbox-id"] != p.ID {
		t.Errorf("a pod writes containerd's own annotations: %q", a)
	}

	g, agent := it.StartAgent(t, n, it.GrantApart("mknod"))
	w.Exempt(t, g.State)
	if got := it.Refusal(t, p, c); !strings.Contains(got, `asks for profile "mknod", which is not granted in namespace "team"`) {
		t.Errorf("with an agent: %s", got)
	}
	delete(forged, "profiles.nodegate.dev")
	none := node.ContainerConfig{Annotations: forged, DropCapabilities: []string{"ALL"}}
	plain := it.Run(t, n, pod, none)
	it.Expect(t, plain, "mknod c /tmp/one 1 3", "EPERM")

	// Nor does the nonce of a container that has what this one wants, with its record
	// still there.
	victim := it.Run(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskFor("mknod")}, node.ContainerConfig{})
	forged[record.Annotation] = it.SpecOf(t, victim).Annotations[record.Annotation]
	thief := it.RunPod(t, n, pod)
	robbed := it.RunContainer(t, thief, none)
	it.Expect(t, robbed, "mknod c /tmp/one 1 3", "EPERM")
	it.ExpectOwnRecord(t, g, robbed)
	it.Kill(t, n, agent)
	none.Name = "later"
	if got := it.Refusal(t, thief, none); !strings.Contains(got, noRecord) {
		t.Errorf("with a stolen nonce and no agent: %s", got)
	}
	g.Start(t)
	for _, c := range []*node.Container{plain, victim, robbed} {
		it.Must(t, c.Remove(t.Context()))
	}
}

// In audit mode a record says "nothing", so that the wrapper lets the container pass.
func TestWrappedAudit(t *testing.T) {
	n, w := it.WrappedNode(t, node.Options{})
	g, _ := it.StartAgent(t, n, "mode = \"audit\"\n"+it.GrantApart("mknod"))
	w.Exempt(t, g.State)
	for _, asks := range []string{"mknod", "kvm"} { // granted, and not
		c := it.Run(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskFor(asks)}, node.ContainerConfig{DropCapabilities: []string{"ALL"}})
		it.Expect(t, c, "mknod c /tmp/one 1 3", "EPERM")
	}
}

// The wrapper alone cuts the range of a sandbox that an older k3s would make, which does
// not start without it. k3s writes the same option of containerd, which is on by default.
func TestWrappedClamp(t *testing.T) {
	n, _ := it.WrappedNode(t, node.Options{ExtraConfig: `[plugins.'io.containerd.cri.v1.runtime']
enable_unprivileged_icmp = true
`})
	pod := node.PodConfig{Name: "full-range", Namespace: "kube-system", UserNamespace: true, Sysctls: map[string]string{it.PingRange: "0 2147483647"}}
	if _, err := n.RunPod(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "ping_group_range") {
		t.Errorf("without the wrapper: %v", err)
	}
	pod.Handler, pod.Name = it.Wrapped, ""
	c := it.Run(t, n, pod, it.Pinger)
	it.ExpectEach(t, c, []it.QA{{"sysctl " + it.PingRange, "0 65535"}, {"ping 127.0.0.1", "reply from 127.0.0.1"}})
	pod.UserNamespace = false // there it is what it says
	it.Expect(t, it.Run(t, n, pod, it.Pinger), "sysctl "+it.PingRange, "0 2147483647")
}
