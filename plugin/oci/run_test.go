// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/record"
)

var mknod = change.Adjustment{Capabilities: change.Capabilities{Add: []string{"CAP_MKNOD"}, Drop: []string{"CAP_KILL"}}}

func TestCreateAdjustsAndAcknowledges(t *testing.T) {
	n := newNode(t)
	annotations := n.decide(mknod)
	before := n.spec(0, annotations, "{}")
	if err := os.Chown(n.path("bundle/config.json"), 7, 8); err != nil {
		t.Fatal(err)
	}
	got := n.create()
	if got.status != 42 || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	want := []string{n.path("bin/fake-runc"), "--log", n.log, "--log-format", "json", "create", "--bundle", n.bundle, "c1"}
	if !slices.Equal(got.args, want) {
		t.Errorf("the runtime was called %q", got.args)
	}
	if !strings.Contains(got.env, "ODD=a=b\nc\n") {
		t.Errorf("its environment was %q", got.env)
	}
	if want := strings.ReplaceAll(before, "CAP_KILL", "CAP_MKNOD"); n.config() != want {
		t.Errorf("config.json is %s\nwant %s", n.config(), want)
	}
	var st unix.Stat_t
	if err := unix.Stat(n.path("bundle/config.json"), &st); err != nil || st.Uid != 7 || st.Gid != 8 || st.Mode&0o7777 != 0o640 {
		t.Errorf("config.json has owner %d:%d and mode %o", st.Uid, st.Gid, st.Mode)
	}
	if ok, err := n.store.Acknowledged("c1", annotations[record.Annotation]); !ok || err != nil {
		t.Errorf("acknowledged: %v, %v", ok, err)
	}
	once := n.config()
	if got := n.create(); got.status != 42 || n.config() != once {
		t.Errorf("a second run: %+v, %s", got, n.config())
	}
	if entries, _ := os.ReadDir(n.bundle); len(entries) != 2 {
		t.Errorf("the bundle holds %v, want config.json and nodegate.json", entries)
	}
}

func TestExecChangesTheProcessByItsUser(t *testing.T) {
	n := newNode(t)
	n.spec(0, n.decide(mknod), "{}")
	if got := n.create(); got.status != 42 {
		t.Fatalf("%+v", got)
	}
	for process, want := range map[string]string{
		`{"user":{"uid":0}, "capabilities":{"bounding":["CAP_KILL"]}}`: `{"user":{"uid":0}, "capabilities":{"bounding":["CAP_MKNOD"],"effective":["CAP_MKNOD"],"permitted":["CAP_MKNOD"]}}`,
		`{"user":{"uid":9}, "capabilities":{"bounding":["CAP_KILL"]}}`: `{"user":{"uid":9}, "capabilities":{"bounding":["CAP_MKNOD"],"effective":["CAP_MKNOD"],"permitted":["CAP_MKNOD"],"inheritable":["CAP_MKNOD"],"ambient":["CAP_MKNOD"]}}`,
		`{"user":{"uid":9}}`: `{"user":{"uid":9}}`, // the runtime takes the container's own sets
	} {
		n.write("process.json", process+"\n", 0o600)
		got := n.run("--log", n.log, "--log-format", "json", "exec", "--process", n.path("process.json"), "--detach", "c1")
		text, _ := os.ReadFile(n.path("process.json"))
		if got.status != 42 || string(text) != want+"\n" {
			t.Errorf("%+v: %s\nwant %s", got, text, want)
		}
	}
	if got := n.run("--log", n.log, "exec", "c1", "ls"); got.status != 42 {
		t.Errorf("from the container's own spec: %+v", got)
	}
	for text, part := range map[string]string{"{": "is not JSON", "": "is not JSON", `{"capabilities":1}`: "is not an object"} {
		n.write("process.json", text, 0o600)
		n.wantRefused(n.run("--log", n.log, "--log-format", "json", "exec", "-p", n.path("process.json"), "c1"), part)
	}
	n.wantRefused(n.run("--log", n.log, "--log-format", "json", "exec", "-p", n.path("absent"), "c1"), "no such file")
	if err := os.Chmod(n.path("bundle/nodegate.json"), 0o666); err != nil {
		t.Fatal(err)
	}
	n.wantRefused(n.run("--log", n.log, "--log-format", "json", "exec", "-p", n.path("process.json"), "c1"), "can be written by others")
}

func TestOtherCommandsPassThrough(t *testing.T) {
	n := newNode(t)
	for _, config := range []string{"version = 1\npath = \"runc\"", "not TOML", "version = 99", ""} {
		n.write("runc.toml", config, 0o644)
		n.write("bin/runc", fakeRuntime, 0o755)
		if config == "" {
			_ = os.Remove(n.path("runc.toml"))
		}
		for _, args := range [][]string{
			{"--version"}, {}, {"--root", "create", "delete", "--force", "create"}, {"state", "run"}, {"--log", n.log, "kill", "c1", "9"},
			{"features"}, {"--log", n.log, "exec", "c1", "ls"}, {"checkpoint", "--image-path", "/x y", "c1", ""}, {"made-up", "--x"}, {"--help", "create"},
		} {
			got := n.run(args...)
			if got.status != 42 || !slices.Equal(got.args, append([]string{n.path("bin/runc")}, args...)) || got.stderr != "" {
				t.Errorf("%q with configuration %q: %+v", args, config, got)
			}
		}
		for _, verb := range []string{"create", "run", "restore"} {
			if got := n.run("--log", n.log, "--log-format", "json", verb, "c1"); config != "version = 1\npath = \"runc\"" {
				n.wantRefused(got, "runc.toml")
			}
		}
	}
}

func TestNoProcessIsLeftBetween(t *testing.T) {
	n := newNode(t)
	cmd := exec.Command(n.wrapper, "--version")
	cmd.Env = []string{"FAKE_OUT=" + n.path("out")}
	_ = cmd.Run()
	pid, err := os.ReadFile(n.path("out.pid"))
	if fields := strings.Fields(string(pid)); err != nil || fields[0] != strconv.Itoa(cmd.Process.Pid) || fields[1] != strconv.Itoa(os.Getpid()) {
		t.Errorf("the runtime's process and parent are %s, want %d and %d", pid, cmd.Process.Pid, os.Getpid())
	}
}

func TestWhoNeedsARecord(t *testing.T) {
	n := newNode(t)
	n.configure(`exempt_namespaces = ["kube-system"]`)
	passes := func(name string) {
		t.Helper()
		before := n.config()
		if got := n.create(); got.status != 42 || n.config() != before {
			t.Errorf("%s: %+v", name, got)
		}
	}
	n.spec(0, pod("kube-system"), "{}")
	passes("an exempt namespace")

	n.spec(0, pod("ci"), "{}")
	n.wantRefused(n.create(), `container "main" of pod ci/build-1 has no decision record, so its adjustment is not known: see that the nodegate agent runs on this node, or add "ci" to exempt_namespaces in `+n.path("runc.toml"))
	n.mkdir(n.path("state"))
	socket, err := net.Listen("unix", n.path("state/nodegate.sock"))
	if err != nil {
		t.Fatal(err)
	}
	n.wantRefused(n.create(), `the agent runs, so see that it is registered, and that handlers under [runtime] in its policy list the pod's runtime handler, "" for the default one (nodegate doctor), or add "ci" to exempt_namespaces`)
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	forged := pod("kube-system")
	forged[record.Annotation] = strings.Repeat("0", 32)
	n.spec(0, forged, "{}")
	n.wantRefused(n.create(), "has no decision record")
	n.spec(0, map[string]string{record.Annotation: "x"}, "{}")
	n.wantRefused(n.create(), "has no decision record")

	n.decide(mknod) // the answer to the runtime is lost
	n.spec(0, pod("ci"), "{}")
	n.wantRefused(n.create(), "the agent's answer did not arrive")
	n.spec(0, forged, "{}")
	n.wantRefused(n.create(), "is not the one which the agent's answer names")
	n.spec(0, pod("kube-system"), "{}")
	passes("an exempt namespace, with a record that no answer names")

	sandbox := pod("ci")
	sandbox["io.kubernetes.cri.container-type"] = "sandbox"
	n.spec(0, sandbox, "{}") // its sandbox id is not its own
	n.wantRefused(n.create(), "the agent's answer did not arrive")

	good := n.decide(mknod)
	n.spec(0, good, "{}")
	if err := os.Chmod(n.store.Path("c1"), 0o622); err != nil {
		t.Fatal(err)
	}
	n.wantRefused(n.create(), "cannot be trusted")
}

func TestSandboxIsOnlyClamped(t *testing.T) {
	n := newNode(t)
	sandbox := pod("ci")
	sandbox["io.kubernetes.cri.container-type"], sandbox["io.kubernetes.cri.sandbox-id"] = "sandbox", "c1"
	before := n.spec(65535, sandbox, `{"namespaces":[{"type":"user"}],"gidMappings":[{"containerID":0,"hostID":65536,"size":65536}],"sysctl":{"net.ipv4.ping_group_range":"0 2147483647"}}`)
	if got := n.create(); got.status != 42 || n.config() != strings.Replace(before, "0 2147483647", "0 65535", 1) {
		t.Errorf("%+v: %s", got, n.config())
	}
	before = n.spec(65535, sandbox, `{"sysctl":{"net.ipv4.ping_group_range":"0 2147483647"}}`)
	if got := n.create(); got.status != 42 || n.config() != before {
		t.Errorf("%+v: %s", got, n.config())
	}
}

func TestBadBundles(t *testing.T) {
	n := newNode(t)
	file := n.path("bundle/config.json")
	good := n.spec(0, n.decide(mknod), "{}")
	for name, tc := range map[string]struct {
		text, want string
	}{
		"truncated": {good[:len(good)/2], "is not JSON"},
		"empty":     {"", "is not JSON"},
		"text":      {"hello", "is not JSON"},
		"50 MiB":    {strings.Repeat(" ", 50<<20), "more than the"},
		"deep":      {strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "nested more than"},
		"no object": {"[1]", "is not a JSON object"},
		"odd":       {`{"annotations":[]}`, "annotations is not an object"},
	} {
		n.write("bundle/config.json", tc.text, 0o600)
		got := n.create()
		n.wantRefused(got, tc.want)
		if n.config() != tc.text {
			t.Errorf("%s: the bundle changed", name)
		}
	}
	_ = os.Remove(file)
	n.wantRefused(n.create(), "no such file or directory")
	n.mkdir(file)
	n.wantRefused(n.create(), "is not a regular file")
	_ = os.Remove(file)
	n.write("real.json", good, 0o600)
	if err := os.Symlink(n.path("real.json"), file); err != nil {
		t.Fatal(err)
	}
	n.wantRefused(n.create(), "is a symbolic link")
	_ = os.Remove(file)
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	n.wantRefused(n.create(), "is not a regular file")
	n.wantRefused(n.run("--log", n.log, "--log-format", "json", "create", "-b", n.path("absent"), "c1"), "no such file or directory")
	n.wantRefused(n.run("--log", n.log, "--log-format", "json", "create", "-b", n.bundle), "there is no container id")
}

func TestFullAndReadOnlyDisks(t *testing.T) {
	n := newNode(t)
	annotations := n.decide(mknod)
	missing(t, unix.Mount("tmpfs", n.bundle, "tmpfs", 0, "size=64k") != nil, "a tmpfs cannot be mounted")
	t.Cleanup(func() { _ = unix.Unmount(n.bundle, unix.MNT_DETACH) })
	annotations["filling"] = strings.Repeat("x", 20<<10)
	before := n.spec(0, annotations, "{}")
	n.log = n.path("log.json") // or it would find no place for its words
	n.write("bundle/ballast", strings.Repeat("x", 30<<10), 0o600)
	n.wantRefused(n.create(), "no space left on device")
	if entries, _ := os.ReadDir(n.bundle); n.config() != before || len(entries) != 2 {
		t.Errorf("the bundle is not as it was: %v", entries)
	}
	if err := unix.Mount("", n.bundle, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	n.wantRefused(n.create(), "read-only file system")
}

func TestBadRuntimes(t *testing.T) {
	n := newNode(t)
	before := n.spec(0, n.decide(mknod), "{}")
	named := func(name string) {
		n.write("runc.toml", "version = 1\npath = \""+name+"\"\nstate_dir = \""+n.path("state")+"\"\n", 0o644)
	}
	n.write("bin/plain", "no program", 0o644)
	if err := os.Symlink(n.wrapper, n.path("bin/link")); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("cp", n.wrapper, n.path("bin/copy")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, part := range map[string]string{
		"absent":               `there is no OCI runtime "absent" in PATH`,
		"plain":                "is not executable",
		"link":                 "is nodegate-runc itself",
		"copy":                 "is nodegate-runc itself",
		n.path("bin/link"):     "is nodegate-runc itself",
		n.path("bin/absent"):   "no such file",
		n.path("bin/plain"):    "is not executable",
		n.path("bin"):          "is not a regular file",
		filepath.Dir(n.bundle): "is not a regular file",
	} {
		named(name)
		n.wantRefused(n.create(), part)
		n.wantRefused(n.run("--log", n.log, "--log-format", "json", "delete", "c1"), part)
	}
	if n.config() != before {
		t.Error("the bundle changed")
	}
}

func TestOddCalls(t *testing.T) {
	n := newNode(t)
	if got := n.runAs([]string{""}); got.status != 1 || got.args != nil || !strings.Contains(got.stderr, "called without a name and arguments") {
		t.Errorf("%+v", got)
	}
	nothing, err := os.StartProcess(n.wrapper, []string{}, &os.ProcAttr{Env: []string{"FAKE_OUT=" + n.path("out")}})
	if err != nil {
		t.Fatal(err)
	}
	if state, err := nothing.Wait(); err != nil || state.ExitCode() != 1 {
		t.Errorf("with nothing in argv: %v, %v", state, err)
	}
	// The log in text, as runc writes it by default; and one that cannot be.
	got := n.run("--log", n.path("text.log"), "create", "a", "b")
	text, _ := os.ReadFile(n.path("text.log"))
	if !strings.Contains(string(text), `level=error msg="nodegate: reading the command line: `) || got.args != nil {
		t.Errorf("%+v: the log is %q", got, text)
	}
	if got := n.run("--log", n.path("no/such/dir"), "create", "a", "b"); !strings.Contains(got.stderr, "more than one container id") {
		t.Errorf("%+v", got)
	}
}

// A security module denies what file modes do not: the sentence says where to look. Here
// it is root without the capabilities that make root root.
func TestRecordThatMayNotBeRead(t *testing.T) {
	n := newNode(t)
	n.spec(0, n.decide(mknod), "{}")
	if err := os.Chmod(n.path("state"), 0); err != nil {
		t.Fatal(err)
	}
	n.wrapper = powerless(t, n)
	got := n.create()
	n.wantRefused(got, "its decision record cannot be read: ")
	n.wantRefused(got, "permission denied; a security module such as SELinux denies it to the OCI runtime")
}

// powerless is a program that runs the wrapper without any capability.
func powerless(t *testing.T, n *node) string {
	t.Helper()
	n.write("bin/powerless", "#!/bin/sh\nexec setpriv --bounding-set=-all --inh-caps=-all "+n.wrapper+" \"$@\"\n", 0o755)
	return n.path("bin/powerless")
}
