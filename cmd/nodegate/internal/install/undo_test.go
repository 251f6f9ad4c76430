// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/config"
)

const commented = "# ours\nversion = 3\n[plugins.'io.containerd.nri.v1.nri']\n  disable = true # for now\n"

// removal is planned and, unless it is refused, carried out.
func (h *host) removal(purge bool) (*Removal, error) {
	r, err := NewRemoval(RemovalOptions{Root: h.root, Purge: purge})
	if err != nil {
		return nil, err
	}
	return r, r.Apply()
}

// Whatever was done when the power went, in an installation or an upgrade, it can be
// undone, and it can be finished.
func TestHalfWay(t *testing.T) {
	for _, upgrade := range []bool{false, true} {
		for _, finish := range []bool{false, true} {
			for k, steps := 1, 2; k < steps; k++ {
				h := newHost(t, "")
				h.write(h.config, commented)
				h.write("/usr/local/bin/nodegate", "\x7fELF older")
				before := h.tree()
				if upgrade {
					h.install()
					h.o.Prefix, h.o.DefaultRuntime = "/opt/gate", true
				}
				p := h.plan()
				steps = len(p.Writes)
				_, err := p.tree.commit(p.Writes[:k])
				h.must(err)
				if finish {
					h.install()
					h.again()
				}
				if r, err := h.removal(false); err != nil || !r.Installed {
					t.Fatalf("%d of %d: %v", k, steps, err)
				}
				h.same(before, fmt.Sprintf("%d of %d, upgrade %v, finished %v", k, steps, upgrade, finish))
			}
		}
	}
}

// Owner, mode and attributes stay, of the file that is edited and of the one that is put
// back.
func TestAttributes(t *testing.T) {
	requireRoot(t)
	h := newHost(t, "")
	h.write(h.config, commented)
	h.must(os.Chown(h.at(h.config), 0, 42))
	h.must(os.Chmod(h.at(h.config), 0o640))
	value := []byte("x")
	supported := unix.Setxattr(h.at(h.config), "user.nodegate", value, 0) == nil
	before := h.tree()
	for _, step := range []func(){func() { h.install() }, h.uninstall} {
		step()
		var st unix.Stat_t
		h.must(unix.Stat(h.at(h.config), &st))
		if st.Mode&0o7777 != 0o640 || st.Gid != 42 {
			t.Errorf("mode %o, gid %d", st.Mode, st.Gid)
		}
		got := make([]byte, 8)
		if n, err := unix.Getxattr(h.at(h.config), "user.nodegate", got); supported && (err != nil || !bytes.Equal(got[:n], value)) {
			t.Errorf("attribute: %q %v", got, err)
		}
	}
	h.same(before, "attributes")
}

// Nothing that somebody else wrote since is lost.
func TestUninstallAfterOthers(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, commented)
	before := h.tree()
	h.install()
	installed := h.read(h.config)

	h.write(h.config, strings.Replace(installed, "type = ", "type=", 1))
	changed := h.tree()
	if _, err := h.removal(false); err == nil || !strings.Contains(err.Error(), "take what says \"nodegate install\" out of it, or put back "+backupDir) {
		t.Error(err)
	}
	h.same(changed, "refused")

	h.write(h.config, "# first\n"+installed+"\n[debug]\nlevel = 'debug'\n")
	h.write(policyPath, h.read(policyPath)+"# edited\n")
	h.write("/usr/local/bin/nodegate-runc", "\x7fELF by hand")
	policy := h.read(policyPath)
	h.install() // the policy is the administrator's, and a program nobody's
	h.again()
	if h.read(policyPath) != policy || h.read("/usr/local/bin/nodegate-runc") != "\x7fELF nodegate-runc" {
		t.Error("a second installation")
	}
	h.write("/usr/local/bin/nodegate-runc", "\x7fELF by hand")
	h.uninstall()
	if got, want := h.read(h.config), "# first\n"+commented+"\n[debug]\nlevel = 'debug'\n"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if h.read(policyPath) != policy || h.read("/usr/local/bin/nodegate-runc") == "" {
		t.Error("what others wrote is gone")
	}
	h.must(os.Remove(h.at(policyPath)))
	h.must(os.Remove(h.at(configDir)))
	h.must(os.Remove(h.at("/usr/local/bin/nodegate-runc")))
	h.write(h.config, commented)
	h.same(before, "uninstalled")
	if r, err := h.removal(false); err != nil || r.Installed {
		t.Errorf("again: %v", err)
	}
}

// A drop-in and a unit are ours; who changed them is told, and nothing is removed.
func TestUninstallRefuses(t *testing.T) {
	for _, name := range []string{"/etc/containerd/conf.d/zz-nodegate.toml", unitPath} {
		h := newHost(t, "")
		h.write(h.config, v3+"imports = ['conf.d/*.toml']\n")
		h.install()
		h.write(name, h.read(name)+"# edited\n")
		before := h.tree()
		if _, err := h.removal(true); err == nil || !strings.Contains(err.Error(), name+" was changed since") {
			t.Error(err)
		}
		if _, err := NewPlan(t.Context(), h.o); err == nil || !strings.Contains(err.Error(), "and try again") {
			t.Error(err)
		}
		h.same(before, name)
	}
}

func TestPurge(t *testing.T) {
	h := newHost(t, "")
	before := h.tree()
	h.install()
	h.write(policyPath, "version = 1\n[state]\ndir = \"/srv/nodegate\"\n")
	h.write(configDir+"/conf.d/10-mine.toml", "")
	h.write("/srv/nodegate/decisions/x.json", "{}")
	if _, err := h.removal(true); err != nil {
		t.Fatal(err)
	}
	h.must(os.Remove(h.at("/srv")))
	h.same(before, "purged")

	// A directory that is not the agent's alone keeps what others have in it.
	h.write(policyPath, "version = 1\n[state]\ndir = \"/srv\"\n")
	h.write("/srv/decisions/x.json", "{}")
	h.write("/srv/data/others", "")
	if _, err := h.removal(true); err != nil {
		t.Fatal(err)
	}
	h.must(os.Remove(h.at("/srv/data/others")))
	h.must(os.Remove(h.at("/srv/data")))
	h.must(os.Remove(h.at("/srv")))
	h.same(before, "purged beside others")
	if _, err := h.removal(true); err != nil {
		t.Error(err)
	}
}

// The agent's folders go with it, and stay where there are records of containers.
func TestUninstallState(t *testing.T) {
	h := newHost(t, "")
	before := h.tree()
	h.install()
	h.write("/run/nodegate/decisions/x.json", "{}")
	h.uninstall()
	if h.read("/run/nodegate/decisions/x.json") != "{}" {
		t.Error("the record has changed")
	}
	h.must(os.RemoveAll(h.at("/run/nodegate")))
	h.install()
	h.must(os.MkdirAll(h.at("/run/nodegate/decisions"), 0o700))
	h.must(os.MkdirAll(h.at("/run/nodegate/allotted"), 0o700))
	h.uninstall()
	h.must(os.Remove(h.at("/run")))
	h.same(before, "uninstalled")
}

// A newer nodegate replaces an older one; a wrapper that runs goes on.
func TestUpgrade(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, commented)
	h.write("/usr/local/bin/nodegate", "\x7fELF by hand")
	before := h.tree()
	sleep, err := os.ReadFile("/bin/sleep")
	h.must(err)
	h.must(os.WriteFile(filepath.Join(h.o.From, "nodegate-runc"), sleep, 0o755))
	h.install()
	running := exec.Command(h.at("/usr/local/bin/nodegate-runc"), "60")
	h.must(running.Start())
	defer func() { _ = running.Process.Kill(); _ = running.Wait() }()

	for _, name := range []string{"nodegate", "nodegate-runc"} {
		h.must(os.WriteFile(filepath.Join(h.o.From, name), []byte("\x7fELF newer"), 0o755))
	}
	p := h.install()
	for _, c := range p.Changed() {
		if !strings.HasPrefix(c.Path, "/usr/local/bin/") {
			t.Errorf("%s: %s", c.Path, c.Summary())
		}
	}
	if p.Reread || len(p.Changed()) != 2 || h.read("/usr/local/bin/nodegate-runc") != "\x7fELF newer" {
		t.Error("not upgraded, or more than that")
	}
	if err := running.Process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the running wrapper: %v", err)
	}
	h.again()

	// To another folder, another runtime for all pods, and back.
	h.o.Prefix, h.o.DefaultRuntime = "/opt/gate", true
	h.install()
	h.again()
	if text := h.read(h.config); !strings.Contains(text, `"/opt/gate/nodegate-runc"`) || strings.Count(text, "Begin:") != 1 {
		t.Error(text)
	}
	knows := func() bool {
		c, err := config.Load(h.at(policyPath))
		h.must(err)
		return slices.Contains(c.Runtime.Handlers, "") && slices.Contains(c.Runtime.Handlers, Handler)
	}
	if !knows() {
		t.Error("the policy does not know of the default handler")
	}
	policy := h.read(policyPath)
	h.write(policyPath, "version = 1\nruntime.handlers = [\"nodegate\"]\n") // replaced by one's own
	if !knows() {
		t.Error("the policy that took the place of the first one does not know of the default handler")
	}
	h.write(policyPath, policy)
	h.o.DefaultRuntime = false
	h.install()
	if knows() {
		t.Error("the policy still names the default handler")
	}
	h.uninstall()
	h.same(before, "upgraded")
}

// A policy that lists other handlers than the default one, after its drop-in was removed.
func TestForgets(t *testing.T) {
	h := newHost(t, "")
	one, both := []string{Handler}, []string{"", Handler}
	tree := Tree{h.root}
	if tree.Forgets(policyPath, one) {
		t.Error("nothing is installed")
	}
	h.o.DefaultRuntime = true
	h.install()
	if !tree.Forgets(policyPath, one) || tree.Forgets(policyPath, both) || tree.Forgets("policy.toml", one) {
		t.Error("the node's policy, and that alone, is to list the default handler")
	}
	h.o.NoAgent, h.o.Unit = true, false
	h.install()
	if tree.Forgets(policyPath, one) {
		t.Error("the policy of an agent in a pod is elsewhere")
	}
	h.o.NoAgent, h.o.DefaultRuntime = false, false
	h.install()
	if tree.Forgets(policyPath, one) {
		t.Error("the wrapper is not the default runtime any more")
	}
}

// A policy that is there stays as it is: what the default runtime needs goes beside it.
func TestDefaultRuntimeBesideAPolicy(t *testing.T) {
	h := newHost(t, "")
	h.write(policyPath, "version = 1\nruntime.handlers = [\"nodegate\", \"gate2\"]\nstate.dir = \"/run/gate\"\n")
	before := h.tree()
	h.o.DefaultRuntime = true
	h.install()
	h.again()
	if text := h.read(handlersPath); !strings.Contains(text, `handlers = ["", "nodegate", "gate2"]`) {
		t.Error(text)
	}
	if text := h.read(wrapperPath); !strings.Contains(text, `state_dir = "/run/gate"`) || !strings.Contains(text, `exempt_namespaces = ["kube-system", "nodegate"]`) {
		t.Error(text)
	}
	h.o.DefaultRuntime = false
	h.install()
	if (Tree{h.root}).exists(handlersPath) {
		t.Error("the agent still takes the default handler for the wrapper's")
	}
	h.uninstall()
	h.same(before, "uninstalled")
}

// The wrapper stays while containers need it to be stopped.
func TestUninstallWithContainers(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, v3+"state = '/run/gate/containerd'\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nBinaryName = '/usr/bin/crun'\n")
	h.write("/usr/local/bin/nodegate-runc", "\x7fELF by hand") // comes back with the last step
	before := h.tree()
	h.install()
	if text := h.read(wrapperPath); !strings.Contains(text, `path = "/usr/bin/crun"`) {
		t.Error(text)
	}
	const bundles = "/run/gate/containerd/io.containerd.runtime.v2.task/k8s.io/"
	h.write(bundles+"c0ffee/runtime", "/usr/local/bin/nodegate-runc")
	h.write(bundles+"bead/runtime", "/usr/bin/crun")
	h.write(bundles+"f00d/runtime", "/usr/local/bin/nodegate-runc-nvidia")
	r, err := h.removal(true)
	if err != nil || !slices.Equal(r.Containers, []string{"c0ffee", "f00d"}) {
		t.Fatalf("%v %v", r.Containers, err)
	}
	if h.read("/usr/local/bin/nodegate-runc") != "\x7fELF nodegate-runc" || h.read(wrapperPath) == "" {
		t.Error("the wrapper is gone")
	}
	if !h.has("/usr/local/bin/nodegate") || h.has(unitPath) {
		t.Error("the program that is to be run again is gone, or the agent's unit is not")
	}
	h.must(os.RemoveAll(h.at("/run")))
	if r, err := h.removal(false); err != nil || len(r.Containers) > 0 {
		t.Fatal(err)
	}
	h.same(before, "uninstalled")
}

// A container whose process is gone is waited for, one that runs is not.
func TestUninstallWhileEnding(t *testing.T) {
	h := newHost(t, "")
	h.install()
	const bundles = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/"
	for id, pid := range map[string]string{"runs": "7", "ends": "8", "zombie": "9", "starts": "", "odd": "-1"} {
		h.write(bundles+id+"/runtime", "/usr/local/bin/nodegate-runc")
		if pid != "" {
			h.write(bundles+id+"/init.pid", pid)
		}
	}
	ending := func() []string {
		r, err := NewRemoval(RemovalOptions{Root: h.root})
		h.must(err)
		return r.Ending
	}
	if got := ending(); len(got) > 0 {
		t.Errorf("without /proc %q are ending", got)
	}
	h.write("/proc/self/stat", "")
	h.write("/proc/7/stat", "7 (pause) S 1")
	h.write("/proc/9/stat", "9 (pause) Z 1")
	h.write(bundles+"ends/config.json", `{"annotations": {"io.kubernetes.cri.sandbox-namespace": "ci", "io.kubernetes.cri.sandbox-name": "job"}}`)
	if got := ending(); !slices.Equal(got, []string{"ci/job", "zombie"}) {
		t.Errorf("%q are ending", got)
	}
}

// A pod's process may call itself a shim, and lie in a directory of its own choice.
func TestContainersOfAPretender(t *testing.T) {
	h := newHost(t, "")
	const program = "/usr/local/bin/nodegate-runc"
	h.write("/proc/7/cmdline", "/bin/containerd-shim-runc-v2\x00")
	h.must(os.MkdirAll(h.at("/pod/cwd"), 0o755))
	h.must(os.Symlink(h.at("/pod/cwd"), h.at("/proc/7/cwd")))
	h.write("/pod/\x1b[2J/runtime", program)
	for _, name := range []string{"fifo", "endless", "long"} {
		h.must(os.Mkdir(h.at("/pod/"+name), 0o755))
	}
	h.must(unix.Mkfifo(h.at("/pod/fifo/runtime"), 0o644))
	h.must(os.Symlink("/dev/zero", h.at("/pod/endless/runtime")))
	h.must(os.WriteFile(h.at("/pod/long/runtime"), nil, 0o644))
	h.must(os.Truncate(h.at("/pod/long/runtime"), 1<<40))
	h.write("/pod/real/runtime", program)
	var ids []string
	for _, c := range (Tree{h.root}).containers("/run/containerd", program) {
		if c.program == program {
			ids = append(ids, c.id)
		}
	}
	if len(ids) != 1 || ids[0] != "real" {
		t.Errorf("%q", ids)
	}
}

// A dry run prints each file's change, and programs by their size.
func TestDiff(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, commented)
	var out strings.Builder
	h.plan().Diff(&out)
	for _, want := range []string{"-  disable = true # for now\n+  disable = false # nodegate install; was: disable = true # for now\n",
		"/usr/local/bin/nodegate: written, 13 bytes\n", "+++ /etc/nodegate/config.toml\n", "+++ /etc/systemd/system/nodegate.service\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nhas no %q", out.String(), want)
		}
	}
	if strings.Contains(out.String(), manifestPath) {
		t.Error(out.String())
	}
	_, _ = io.WriteString(io.Discard, out.String())
}

// Where the last of several files cannot be put into its place, the others are put back.
func TestRollBack(t *testing.T) {
	h := newHost(t, "")
	h.write(h.config, commented)
	h.write("/etc/gone", "gone")
	before := h.tree()
	tree := Tree{h.root}
	config, err := tree.Read(h.config, textLimit)
	h.must(err)
	gone, err := tree.Read("/etc/gone", textLimit)
	h.must(err)
	data := &File{Data: []byte("x"), Mode: 0o644, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	_, err = tree.commit([]Write{
		{Path: h.config, Now: config, After: data},
		{Path: "/etc/gone", Now: gone},
		{Path: "/opt/a/new", After: data},
		{Path: "/opt/a/new", After: data}, // there is one by then
	})
	if err == nil || !strings.Contains(err.Error(), "/opt/a/new was changed by somebody else just now") {
		t.Error(err)
	}
	h.same(before, "rolled back")
}

// A node within this one has a wrapper of its own at the same path.
func TestContainersOfANodeWithin(t *testing.T) {
	h := newHost(t, "")
	const program, inner = "/usr/local/bin/nodegate-runc", "/inner/bundles/c0ffee"
	h.write(program, "\x7fELF wrapper")
	h.write("/inner/root"+program, "\x7fELF wrapper")
	h.write(inner+"/runtime", program)
	h.write("/proc/7/cmdline", "/bin/containerd-shim-runc-v2\x00-address\x00/inner/none/containerd.sock\x00")
	h.must(os.Symlink(h.at(inner), h.at("/proc/7/cwd")))
	h.must(os.Symlink(h.at("/inner/root"), h.at("/proc/7/root")))
	if all := (Tree{h.root}).containers("/run/containerd", program); len(all) != 0 {
		t.Errorf("the inner node's: %v", all)
	}
	h.must(os.Remove(h.at("/proc/7/root")))
	h.must(os.Symlink(h.root, h.at("/proc/7/root")))
	if all := (Tree{h.root}).containers("/run/containerd", program); len(all) != 1 {
		t.Errorf("this node's: %v", all)
	}
}
