// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// Where the agent is a pod, the node gets neither a policy nor a unit.
func TestNoAgent(t *testing.T) {
	for _, byDefault := range []bool{false, true} {
		h := newHost(t, "")
		h.write(h.config, commented)
		before := h.tree()
		h.o.NoAgent, h.o.Unit, h.o.DefaultRuntime = true, false, byDefault
		h.o.Exempt = []string{"kube-system", "gate"}
		h.install()
		h.again()
		for _, name := range []string{policyPath, handlersPath, unitPath} {
			if (Tree{h.root}).exists(name) {
				t.Errorf("there is %s", name)
			}
		}
		if text := h.read(wrapperPath); !strings.Contains(text, "\nexempt_namespaces = [\"kube-system\", \"gate\"]\n") || !strings.Contains(text, "state_dir = \"/run/nodegate\" ") {
			t.Error(text)
		}
		// Another namespace takes the place of the former; without one they stay.
		h.o.Exempt = []string{"kube-system", "other"}
		h.install()
		h.o.Exempt = nil
		h.again()
		if text := h.read(wrapperPath); !strings.Contains(text, `["kube-system", "other"]`) {
			t.Error(text)
		}
		h.uninstall()
		h.same(before, "uninstalled")
	}
}

// An agent that was installed on the node before is kept whole, and its owner is told of
// it; and one may come or go while the other stays.
func TestNoAgentBesideAnAgent(t *testing.T) {
	for _, byDefault := range []bool{false, true} {
		h := newHost(t, "")
		h.write(h.config, commented)
		before := h.tree()
		h.o.DefaultRuntime = byDefault
		h.install()
		agent := h.tree()

		h.o.NoAgent, h.o.Unit, h.o.Exempt = true, false, []string{"kube-system", "nodegate"}
		p := h.install()
		for name, was := range agent {
			if now := h.tree()[name]; now != was && name != manifestPath {
				t.Errorf("%s was %q and is %q", name, was, now)
			}
		}
		if !strings.Contains(strings.Join(p.Notes, "\n"), "systemctl disable --now nodegate takes the node's away") {
			t.Errorf("notes: %q", p.Notes)
		}
		h.again()

		// Its programs go elsewhere: the unit names them.
		h.o.Prefix = "/opt/gate"
		h.install()
		if text := h.read(unitPath); !strings.Contains(text, "ExecStart=/opt/gate/nodegate run\n") {
			t.Error(text)
		}
		h.o.NoAgent, h.o.Unit, h.o.Exempt = false, true, nil
		h.install()
		h.again()
		h.uninstall()
		h.same(before, "uninstalled")
	}
}

// With a policy of the administrator's own, the drop-in for the default runtime stays
// as long as that does.
func TestNoAgentBesideAPolicy(t *testing.T) {
	h := newHost(t, "")
	h.write(policyPath, "version = 1\nstate.dir = \"/run/gate\"\n")
	before := h.tree()
	h.o.DefaultRuntime = true
	h.install()
	h.o.NoAgent, h.o.Unit = true, false
	p := h.install()
	if !strings.Contains(h.read(handlersPath), `handlers = ["", "nodegate"]`) {
		t.Error("the node's agent takes the default handler for runc's")
	}
	if !strings.Contains(strings.Join(p.Notes, "\n"), "its state.dir is /run/gate, and the wrapper reads /run/nodegate") {
		t.Errorf("notes: %q", p.Notes)
	}
	h.o.DefaultRuntime = false
	h.install()
	if (Tree{h.root}).exists(handlersPath) {
		t.Error("the node's agent takes the default handler for the wrapper's")
	}
	h.uninstall()
	h.same(before, "uninstalled")
}

// What the administrator exempts is the administrator's to say, unless no pod of the
// agent could start.
func TestExemptOfTheAdministrator(t *testing.T) {
	h := newHost(t, "")
	h.o.NoAgent, h.o.Unit = true, false
	h.install()
	h.write(wrapperPath, "version = 1\nexempt_namespaces = [\"kube-system\"]\n")
	h.o.Exempt = []string{"kube-system", "gate"}
	before := h.tree()
	p := h.plan()
	const want = "/etc/nodegate/runc.toml is yours and does not exempt gate: pods there that name the handler nodegate do not start without an agent; write exempt_namespaces = [\"kube-system\", \"gate\"]"
	if len(p.Notes) != 1 || p.Notes[0] != want {
		t.Errorf("notes: %q", p.Notes)
	}
	h.o.DefaultRuntime = true
	h.refused("does not exempt gate, so that no pod there, the agent's own included, would start without an agent: write exempt_namespaces = [\"kube-system\", \"gate\"]")
	h.same(before, "refused")
}

// containerd is owed a restart from the change of its configuration until it listens
// anew, whatever is interrupted in between.
func TestOwed(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, commented)
	before := h.tree()
	const socket = "/run/containerd/containerd.sock"
	started := func(at time.Time) {
		h.write(socket, "")
		h.must(os.Chtimes(h.at(socket), at, at))
	}
	started(time.Now().Add(-time.Hour))
	owed := func(want bool, what string) {
		t.Helper()
		if p := h.plan(); p.Owed != want || !p.Empty() {
			t.Errorf("%s: owed %v, want %v; empty %v", what, p.Owed, want, p.Empty())
		}
	}
	h.install()
	owed(true, "installed")
	started(time.Now().Add(time.Hour)) // before the clock was set back
	owed(true, "installed")
	started(time.Now()) // by somebody else
	owed(false, "restarted")
	started(time.Now().Add(-time.Hour))
	owed(true, "installed")
	h.must(h.plan().Restarted())
	owed(false, "noted")
	h.must(os.WriteFile(h.o.From+"/nodegate", []byte("\x7fELF newer"), 0o755))
	if p := h.install(); p.Owed || p.Reread {
		t.Error("owed for a new agent")
	}

	// A removal that was interrupted before the restart is known of, and then forgotten.
	for range 2 {
		r, err := NewRemoval(RemovalOptions{Root: h.root, Restart: true})
		h.must(err)
		if !r.Reread && !r.Owed {
			t.Error("nothing is owed after a removal")
		}
		h.must(r.Apply())
	}
	r, err := NewRemoval(RemovalOptions{Root: h.root, Restart: true})
	h.must(err)
	h.must(r.Apply())
	h.must(r.Restarted())
	h.must(os.RemoveAll(h.at("/run")))
	h.same(before, "removed")
}

// An agent in a pod learns from the installer which handlers run the wrapper, once
// containerd has read what was installed.
func TestNoteHandlers(t *testing.T) {
	h := newHost(t, "")
	h.o.NoAgent, h.o.Unit = true, false
	h.write(h.config, v3)
	note := func(listening time.Time, want string) {
		t.Helper()
		h.must(h.plan().NoteHandlers())
		n, err := Noted(h.at("/run/nodegate"), listening)
		if got := fmt.Sprint(n.Wrapped, " ", err); !strings.HasPrefix(got, want) {
			t.Errorf("noted %s, want %s", got, want)
		}
	}
	clean := h.tree()
	p := h.install()
	h.must(p.NoteHandlers()) // no agent has been here: there is no directory
	h.must(os.MkdirAll(h.at("/run/nodegate"), 0o700))
	const installed, before = "map[:false nodegate:true runc:false] ", "the runtime was not restarted since"
	note(time.Now().Add(-time.Hour), installed+before)
	note(time.Now().Add(time.Hour), installed+before) // and then the clock was set back
	note(time.Now(), installed+"<nil>")
	h.must(h.plan().Restarted())
	note(time.Now().Add(-time.Hour), installed+"<nil>")
	h.o.DefaultRuntime = true
	p = h.install()
	h.must(p.NoteHandlers())
	note(time.Time{}, "map[:true nodegate:true runc:false] "+before)
	h.must(h.plan().Restarted())
	note(time.Time{}, "map[:true nodegate:true runc:false] <nil>")
	h.uninstall()
	h.must(os.RemoveAll(h.at("/run")))
	h.same(clean, "uninstalled")
}

// What containerd did not start with is put back, the first installation and a later one.
func TestUndo(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, commented)
	h.write("/usr/local/bin/nodegate", "\x7fELF by hand")
	for _, byDefault := range []bool{false, true} {
		before := h.tree()
		h.o.DefaultRuntime = byDefault
		p := h.install()
		h.must(p.Undo())
		h.same(before, "undone")
		h.o.DefaultRuntime = false
		h.install()
	}
}

// The directories that the kubelet made for an agent go, but not what lives in them.
func TestPurgeAfterAPod(t *testing.T) {
	for _, live := range []bool{false, true} {
		h := newHost(t, "")
		before := h.tree()
		h.o.NoAgent, h.o.Unit = true, false
		h.install()
		const bundle = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/c0ffee/"
		h.write("/dev/.udev/nodegate/c0ffee/0", "")
		h.write("/dev/.udev/nodegate/bead/0", "")
		h.write("/run/nodegate/decisions/bead.json", "{}")
		h.write("/run/nodegate/allotted/bead", "")
		if live {
			h.write(bundle+"runtime", "") // of the default handler
		}
		if r, err := h.removal(true); err != nil || len(r.Containers) > 0 {
			t.Fatal(err)
		}
		tree := Tree{h.root}
		if tree.exists("/dev/.udev/nodegate/bead") || tree.exists("/run/nodegate") || tree.exists("/dev/.udev/nodegate/c0ffee/0") != live {
			t.Errorf("live %v: %v", live, h.tree())
		}
		h.must(os.RemoveAll(h.at("/run")))
		if live {
			h.must(os.RemoveAll(h.at("/dev/.udev")))
		}
		h.must(os.Remove(h.at("/dev")))
		h.same(before, "purged")
	}
}

// A policy that lies on the node was there before the agent in a pod, or is of another
// agent: neither the first removal nor the next, which finds no records, takes it away.
func TestPurgeAfterAPodLeavesTheNodesPolicy(t *testing.T) {
	h := newHost(t, "")
	h.write(policyPath, "version = 1\n")
	h.write(configDir+"/conf.d/10-mine.toml", "")
	h.write(configDir+"/notes/of-mine", "")
	before := h.tree()
	h.o.NoAgent, h.o.Unit = true, false
	h.install()
	h.write("/run/nodegate/decisions/bead.json", "{}")
	for range 2 {
		r, err := NewRemoval(RemovalOptions{Root: h.root, Purge: true, NoAgent: true})
		h.must(err)
		h.must(r.Apply())
		h.must(os.RemoveAll(h.at("/run")))
		h.same(before, "purged")
	}
}

// A node that has an agent of its own keeps all that it needs when the one in a pod goes.
func TestPodBesideTheNodesAgent(t *testing.T) {
	h := newHost(t, "")
	h.o.Unit = true
	h.install()
	h.o.NoAgent, h.o.Unit = true, false
	h.install()
	h.write("/run/nodegate/decisions/bead.json", "{}")
	before := h.tree()
	r, err := NewRemoval(RemovalOptions{Root: h.root, Purge: true, NoAgent: true})
	h.must(err)
	h.must(r.Apply())
	h.same(before, "the pod's removal")
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "an agent of its own") {
		t.Error(r.Notes)
	}
	if r, err = h.removal(false); err != nil || !r.Unit || (Tree{h.root}).exists(unitPath) {
		t.Errorf("the node's own: %v", err)
	}
}

// Who did not install has what the agent left removed all the same.
func TestPurgeWithoutAnInstallation(t *testing.T) {
	h := newHost(t, "")
	before := h.tree()
	h.write("/run/gate/decisions/bead.json", "{}")
	h.write("/dev/.udev/nodegate/bead/0", "")
	r, err := NewRemoval(RemovalOptions{Root: h.root, Purge: true, Agent: AgentDirs{State: "/run/gate"}})
	h.must(err)
	h.must(r.Apply())
	h.must(os.Remove(h.at("/run")))
	h.must(os.Remove(h.at("/dev")))
	h.same(before, "purged")
}

// The pods of the containers that the wrapper stays for are named, if they are pods.
func TestPodsOfTheWrapper(t *testing.T) {
	h := newHost(t, "")
	h.install()
	const bundles = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/"
	for id, spec := range map[string]string{
		"a": `{"annotations": {"io.kubernetes.cri.sandbox-name": "web-1", "io.kubernetes.cri.sandbox-namespace": "ci"}}`,
		"b": `{"annotations": {"io.kubernetes.cri.sandbox-name": "web-1", "io.kubernetes.cri.sandbox-namespace": "ci"}}`,
		"c": `{"annotations": {"io.kubernetes.cri.sandbox-name": "web\u001b[2J", "io.kubernetes.cri.sandbox-namespace": "ci"}}`,
		"d": `{`,
	} {
		h.write(bundles+id+"/runtime", "/usr/local/bin/nodegate-runc")
		h.write(bundles+id+"/config.json", spec)
	}
	r, err := NewRemoval(RemovalOptions{Root: h.root})
	if err != nil || len(r.Containers) != 4 || len(r.Pods) != 1 || r.Pods[0] != "ci/web-1" {
		t.Errorf("%v %v %v", r.Containers, r.Pods, err)
	}
}

// A containerd that is too old says so itself. This one is 1.7 and says what 1.6 says.
func TestOlderContainerd(t *testing.T) {
	h := newHost(t, "1.7.35")
	h.write(h.config, "version = 2\n")
	h.write("/usr/bin/containerd", strings.ReplaceAll(h.read("/usr/bin/containerd"), "v1.7.35", "v1.6.36"))
	if said := h.containerd("--version"); !strings.HasPrefix(said, "containerd github.com/containerd/containerd v1.6.36 ") {
		t.Fatal(said)
	}
	h.refused("containerd 1.6 is not supported, for it has no NRI that plugins can connect to: upgrade it to 1.7 or later")
}

// Only names that Kubernetes gives are told, whatever lies in a bundle.
func FuzzPodIn(f *testing.F) {
	f.Add([]byte(`{"annotations": {"io.kubernetes.cri.sandbox-name": "web-1", "io.kubernetes.cri.sandbox-namespace": "ci"}}`))
	f.Add([]byte(`{"annotations": {"io.kubernetes.cri.sandbox-name": "web\n", "io.kubernetes.cri.sandbox-namespace": "../ci"}}`))
	f.Add([]byte(`{"annotations": []`))
	name := f.TempDir() + "/config.json"
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		namespace, pod, ok := strings.Cut(podIn(name), "/")
		if (ok || namespace != "") && (!namespaceName.MatchString(namespace) || !containerID.MatchString(pod)) {
			t.Errorf("%q/%q", namespace, pod)
		}
	})
}
