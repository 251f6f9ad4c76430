// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/record"
)

// wrappedNode is a node whose handler "nodegate" runs nodegate-runc, which passes
// containers of kube-system and nodegate without a record.
func wrappedNode(t *testing.T, o node.Options) (*node.Node, *builtWrapper) {
	t.Helper()
	w := buildWrapper(t)
	o.Handlers = map[string]string{wrapped: w.program}
	bin, err := node.BinDir()
	must(t, err)
	o.PATH = bin // where the wrapper looks for runc while nothing tells it another path
	n := startNode(t, o)
	w.exempt(t, filepath.Join(n.Dir(), "none"))
	return n, w
}

// exempt configures the wrapper as docs/wrapper.md does for a default runtime.
func (w *builtWrapper) exempt(t *testing.T, state string) {
	t.Helper()
	w.configure(t, state)
	text, err := os.ReadFile(w.config)
	must(t, err)
	must(t, os.WriteFile(w.config, append(text, "exempt_namespaces = [\"kube-system\", \"nodegate\"]\n"...), 0o644))
}

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
	n, w := wrappedNode(t, node.Options{Containerd: version, DefaultHandler: wrapped})
	g := newGate(t, n, "runtime.handlers = [\"\", \"nodegate\"]\n"+grantApart("mknod"))
	w.exempt(t, g.State)
	for _, namespace := range []string{"kube-system", "nodegate"} {
		c := run(t, n, node.PodConfig{Namespace: namespace}, node.ContainerConfig{})
		expect(t, c, "open /dev/null rw", "ok")
	}
	lost := runPod(t, n, node.PodConfig{Namespace: "team"})
	if got := refusal(t, lost, node.ContainerConfig{}); !strings.Contains(got, noRecord) {
		t.Errorf("without an agent: %s", got)
	}

	agent := g.Start(t)
	runContainer(t, lost, node.ContainerConfig{Name: "again"})
	granted := run(t, n, node.PodConfig{Namespace: "ci", Annotations: askFor("mknod")}, node.ContainerConfig{DropCapabilities: []string{"ALL"}})
	expect(t, granted, "mknod c /tmp/one 1 3", "ok")
	kill(t, n, agent)
	expect(t, granted, "mknod c /tmp/two 1 3", "ok") // an exec needs no agent

	// Whatever is wrong with the configuration, what runs can be seen, stopped and
	// removed, and nothing is created unadjusted.
	must(t, os.WriteFile(w.config, []byte("version = 1\npath = [\n"), 0o644))
	if got := refusal(t, lost, node.ContainerConfig{Name: "broken"}); !strings.Contains(got, w.config+":") {
		t.Errorf("with a broken configuration: %s", got)
	}
	must(t, granted.Remove(t.Context()))
	w.exempt(t, g.State)
	g.Start(t) // sweeps what the killed one left
	remove(t, lost)
}

// A handler of runtime.handlers that runs another program is noticed before the
// container's own program runs.
func TestWrappedByAnotherProgram(t *testing.T) {
	bin, err := node.BinDir()
	must(t, err)
	n := startNode(t, node.Options{Handlers: map[string]string{wrapped: filepath.Join(bin, "runc")}})
	startAgent(t, n, grantApart("fuse"))
	p := runPod(t, n, node.PodConfig{Namespace: "team", Handler: wrapped})
	marks := newMarks(t, n)
	want := `was created without nodegate-runc: the runtime handler "nodegate" must have it as its BinaryName, or leave runtime.handlers`
	if got := refusal(t, p, marks.container("bypassed")); !strings.Contains(got, want) {
		t.Errorf("refused with %s", got)
	}
	marks.expect(t, "bypassed", false)
}

// No annotation of a pod steers the wrapper, also where containerd passes all of them on.
func TestWrappedForgedAnnotations(t *testing.T) {
	// "*" stands for no "/".
	const all = "pod_annotations = [\"*\", \"*/*\"]\ncontainer_annotations = [\"*\", \"*/*\"]\n"
	n, w := wrappedNode(t, node.Options{ExtraConfig: fmt.Sprintf(
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.%s]\n%s", wrapped, all)})
	forged := map[string]string{
		record.Annotation: strings.Repeat("0", 32), "profiles.nodegate.dev": "mknod", "nodegate.dev/profiles": "mknod",
		"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": "x", "io.kubernetes.cri.sandbox-name": "p",
		"io.kubernetes.cri.sandbox-namespace": "kube-system", "io.kubernetes.cri.container-name": "",
	}
	pod := node.PodConfig{Namespace: "team", Handler: wrapped, Annotations: forged}
	c := node.ContainerConfig{Annotations: forged}
	p := runPod(t, n, pod)
	if got := refusal(t, p, c); !strings.Contains(got, noRecord) {
		t.Errorf("without an agent: %s", got)
	}
	spec, err := p.Spec()
	must(t, err)
	if a := spec.Annotations; a[record.Annotation] != forged[record.Annotation] || a["nodegate.dev/profiles"] != "mknod" {
		t.Fatalf("containerd passes no annotation on, so this shows nothing: %q", a)
	}
	if a := spec.Annotations; a["io.kubernetes.cri.sandbox-namespace"] != "team" || a["io.kubernetes.cri.sandbox-id"] != p.ID {
		t.Errorf("a pod writes containerd's own annotations: %q", a)
	}

	g, agent := startAgent(t, n, grantApart("mknod"))
	w.exempt(t, g.State)
	if got := refusal(t, p, c); !strings.Contains(got, `asks for profile "mknod", which is not granted in namespace "team"`) {
		t.Errorf("with an agent: %s", got)
	}
	delete(forged, "profiles.nodegate.dev")
	none := node.ContainerConfig{Annotations: forged, DropCapabilities: []string{"ALL"}}
	plain := run(t, n, pod, none)
	expect(t, plain, "mknod c /tmp/one 1 3", "EPERM")

	// Nor does the nonce of a container that has what this one wants, with its record
	// still there.
	victim := run(t, n, node.PodConfig{Namespace: "ci", Handler: wrapped, Annotations: askFor("mknod")}, node.ContainerConfig{})
	forged[record.Annotation] = specOf(t, victim).Annotations[record.Annotation]
	thief := runPod(t, n, pod)
	robbed := runContainer(t, thief, none)
	expect(t, robbed, "mknod c /tmp/one 1 3", "EPERM")
	expectOwnRecord(t, g, robbed)
	kill(t, n, agent)
	none.Name = "later"
	if got := refusal(t, thief, none); !strings.Contains(got, noRecord) {
		t.Errorf("with a stolen nonce and no agent: %s", got)
	}
	g.Start(t)
	for _, c := range []*node.Container{plain, victim, robbed} {
		must(t, c.Remove(t.Context()))
	}
}

// In audit mode a record says "nothing", so that the wrapper lets the container pass.
func TestWrappedAudit(t *testing.T) {
	n, w := wrappedNode(t, node.Options{})
	g, _ := startAgent(t, n, "mode = \"audit\"\n"+grantApart("mknod"))
	w.exempt(t, g.State)
	for _, asks := range []string{"mknod", "kvm"} { // granted, and not
		c := run(t, n, node.PodConfig{Namespace: "ci", Handler: wrapped, Annotations: askFor(asks)}, node.ContainerConfig{DropCapabilities: []string{"ALL"}})
		expect(t, c, "mknod c /tmp/one 1 3", "EPERM")
	}
}

// The wrapper alone cuts the range of a sandbox that an older k3s would make, which does
// not start without it. k3s writes the same option of containerd, which is on by default.
func TestWrappedClamp(t *testing.T) {
	n, _ := wrappedNode(t, node.Options{ExtraConfig: `[plugins.'io.containerd.cri.v1.runtime']
enable_unprivileged_icmp = true
`})
	pod := node.PodConfig{Name: "full-range", Namespace: "kube-system", UserNamespace: true, Sysctls: map[string]string{pingRange: "0 2147483647"}}
	if _, err := n.RunPod(t.Context(), pod); err == nil || !strings.Contains(err.Error(), "ping_group_range") {
		t.Errorf("without the wrapper: %v", err)
	}
	pod.Handler, pod.Name = wrapped, ""
	c := run(t, n, pod, pinger)
	expectEach(t, c, []qa{{"sysctl " + pingRange, "0 65535"}, {"ping 127.0.0.1", "reply from 127.0.0.1"}})
	pod.UserNamespace = false // there it is what it says
	expect(t, run(t, n, pod, pinger), "sysctl "+pingRange, "0 2147483647")
}
