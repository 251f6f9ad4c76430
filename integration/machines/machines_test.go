// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// up starts a machine that ends with the test.
func up(t *testing.T, o Options) *Machine {
	t.Helper()
	Require(t, o)
	o.Log = t.Output()
	m, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		gone(t, m.emulator.cmd.Process.Pid, m.dir)
	})
	return m
}

// gone sees that nothing is left of a machine.
func gone(t *testing.T, holder int, dir string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		left := processesOf(dir)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			t.Errorf("left of the machine whose holder was process %d: %s (there: %v), processes %q", holder, dir, exists(dir), left)
			return
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// processesOf are processes whose command line names a folder.
func processesOf(dir string) []string {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	var found []string
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil && bytes.Contains(text, []byte(dir)) {
			found = append(found, filepath.Base(filepath.Dir(path)))
		}
	}
	return found
}

func sh(t *testing.T, m *Machine, line string) string {
	t.Helper()
	out, err := m.Sh(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// A machine from a saved state is as if it had just booted, commands in it end as they
// would in a shell, and its sockets can be spoken to from here.
func TestMachine(t *testing.T) {
	m := up(t, Options{})
	if !m.Restored() {
		t.Error("the machine was booted")
	}
	seconds, err := strconv.ParseInt(sh(t, m, "date +%s"), 10, 64)
	if off := time.Since(time.Unix(seconds, 0)); err != nil || off.Abs() > 10*time.Second {
		t.Errorf("its clock is off by %v", off)
	}
	for line, want := range map[string]string{
		"cat /proc/1/comm":                       "systemd",
		"stat -fc %T /sys/fs/cgroup":             "cgroup2fs",
		"aa-enabled":                             "Yes",
		"systemctl is-active containerd":         "active",
		"systemctl --failed --no-legend --plain": "",
		"id -un":                                 "root",
	} {
		if got := sh(t, m, line); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
	var exit *ExitError
	if out, err := m.Sh(t.Context(), "echo said; exit 3"); !errors.As(err, &exit) || exit.Code != 3 || out != "said\n" {
		t.Errorf("an exit code: %q, %v", out, err)
	}
	if _, err := m.Run(t.Context(), "/no/such/program"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a program that is not there: %v", err)
	}
	// A program that stays in the background does not keep the command.
	sh(t, m, "sleep 1000 & echo $!")

	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.Sh(ctx, "echo $$ >/run/pid; sleep 999"); err == nil {
			t.Error("a command goes on without its caller")
		}
		sh(t, m, "while kill -0 $(cat /run/pid) 2>/dev/null; do sleep 0.1; done")
	})
	t.Run("a file", func(t *testing.T) {
		content := bytes.Repeat([]byte("0123456789abcdef\x00\n"), 1<<17)
		began := time.Now()
		if err := m.Write(t.Context(), "/root/a/b/file", 0o750, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bytes in %v", len(content), time.Since(began))
		if got := sh(t, m, "stat -c '%a %s' /root/a/b/file; ls /root/a/b"); got != fmt.Sprintf("750 %d\nfile", len(content)) {
			t.Errorf("it is there as %s", got)
		}
	})
	t.Run("a socket", func(t *testing.T) {
		bus, err := m.Dial(t.Context(), "unix", "/run/dbus/system_bus_socket")
		if err != nil {
			t.Fatal(err)
		}
		defer bus.Close()
		fmt.Fprint(bus, "\x00AUTH EXTERNAL 30\r\n")
		if line, err := bufio.NewReader(bus).ReadString('\n'); !strings.HasPrefix(line, "OK ") {
			t.Errorf("the bus answers %q, %v", line, err)
		}
	})
	t.Run("no port listens here", func(t *testing.T) { noPorts(t, m) })
	// This comes last: a command that waits for a kernel that stops fails at once.
	if _, err := m.Sh(t.Context(), "echo c >/proc/sysrq-trigger; sleep 999"); !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "sysrq triggered crash") {
		t.Errorf("a panic: %v", err)
	}
}

// noPorts sees that no process of the machine has a socket of an internet protocol.
func noPorts(t *testing.T, m *Machine) {
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			continue // no such protocol here
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	for _, pid := range processesOf(m.dir) {
		links, _ := filepath.Glob("/proc/" + pid + "/fd/*") // the pattern is good
		for _, link := range links {
			if to, _ := os.Readlink(link); inodes[to] {
				t.Errorf("process %s has the socket %s", pid, to)
			}
		}
	}
}

// Two machines from one state are two: they reach each other, and nobody else.
func TestTwoMachines(t *testing.T) {
	first := up(t, Options{})
	second := up(t, Options{Beside: first})
	for number, m := range []*Machine{first, second} {
		if _, err := m.Join(t.Context(), number+1); err != nil {
			t.Fatal(err)
		}
	}
	sh(t, second, "echo from the second >/run/hello")
	for m, other := range map[*Machine]string{first: lanAddress(2), second: lanAddress(1)} {
		// Nothing is sent to a neighbour whose hardware address is not known: bash's own way
		// to send a datagram asks for it.
		sh(t, m, "for i in $(seq 100); do bash -c 'echo >/dev/udp/"+other+"/9' 2>/dev/null; ip neigh show "+other+" | grep -q lladdr && exit; sleep 0.2; done; ip neigh; exit 1")
	}
	if a, b := sh(t, first, "hostname"), sh(t, second, "hostname"); a != "machine-1" || b != "machine-2" {
		t.Errorf("they are called %q and %q", a, b)
	}
	if sh(t, first, "ls /run") == sh(t, second, "ls /run") {
		t.Error("they have one file system")
	}
}

// A machine that hangs at boot is given up with its console, and leaves nothing.
func TestHangs(t *testing.T) {
	Require(t, Options{})
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), "nodegate-machine-*"))
	// What answers does not start.
	_, err := Start(t.Context(), Options{KernelArgs: []string{"systemd.mask=guest.service", "loglevel=7"}, Patience: 30 * time.Second, Log: t.Output()})
	if err == nil || !regexp.MustCompile(`not up after 30s; its console:\n(.*\n)*.*\[ +\d+\.\d+\] `).MatchString(err.Error()) {
		t.Errorf("%v", err)
	}
	after, _ := filepath.Glob(filepath.Join(os.TempDir(), "nodegate-machine-*"))
	if len(after) > len(before) {
		t.Errorf("left behind: %q, before %q", after, before)
	}
}

// A kernel that panics at boot is started once more, and then given up with its console.
func TestPanics(t *testing.T) {
	Require(t, Options{})
	var said bytes.Buffer
	m, err := Start(t.Context(), Options{Boot: true, KernelArgs: []string{"rdinit=/none", "root=none"}, Patience: time.Minute, Log: &said})
	if err == nil {
		t.Fatal("a machine without a root is up", m.Close())
	}
	if !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "Kernel panic - not syncing: VFS") {
		t.Error(err)
	}
	if got := strings.Count(said.String(), "trixie is started once more: "); got != 1 {
		t.Errorf("started anew %d times: %s", got, said.String())
	}
}

// A saved state that does not load is passed over: the machine is booted instead.
func TestBadState(t *testing.T) {
	Require(t, Options{})
	b, err := newBuilder(Trixie, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	i, err := b.image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad := t.TempDir()
	if err := output(exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", i.disk(), filepath.Join(bad, stateDisk))); err != nil {
		t.Fatal(err)
	}
	if err := output(exec.Command("sh", "-c", "head -c 1000000 /dev/urandom | zstd -q -o "+filepath.Join(bad, stateMemory))); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	// That a boot ends well, every saved state shows. This one is given up if it takes long.
	m, err := Start(t.Context(), Options{state: bad, Patience: 10 * time.Second, Log: &said})
	if err == nil {
		if m.Restored() {
			t.Error("a state of random bytes was loaded")
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	} else if !strings.Contains(err.Error(), "not up after 10s") {
		t.Error(err)
	}
	if !strings.Contains(said.String(), "trixie is booted, since its saved state does not load: ") {
		t.Errorf("said: %s", said.String())
	}
	if left := processesOf(bad); len(left) > 0 {
		t.Errorf("left: processes %q", left)
	}
}

// loopFiles are the files that loop devices stand for.
func loopFiles() []string {
	all, _ := filepath.Glob("/sys/block/loop*/loop/backing_file") // the pattern is good
	var files []string
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil {
			files = append(files, strings.TrimSpace(string(text)))
		}
	}
	return files
}

const killedEnv = "NODEGATE_TEST_KILLED"

// A test that is killed leaves nothing of its machine: no process, and so no port, no
// folder, no mount and no loop device.
func TestKilled(t *testing.T) {
	if os.Getenv(killedEnv) != "" {
		m, err := Start(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("up %d %s\n", m.emulator.cmd.Process.Pid, m.dir)
		select {} // until it is killed
	}
	Require(t, Options{})
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var holder int
	var dir string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "up %d %s", &holder, &dir); err == nil {
			break
		}
	}
	if dir == "" {
		t.Fatalf("no machine: %v", cmd.Wait())
	}
	if len(processesOf(dir)) == 0 {
		t.Error("the machine has no process")
	}
	if open := listening(processesOf(dir)); len(open) > 0 {
		t.Errorf("the machine listens: %q", open)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	gone(t, holder, dir)
	if now, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(now), dir) || len(now) > len(mounts) && strings.Contains(string(now), "nodegate-machine") {
		t.Errorf("left: mounts\n%s", now)
	}
	for _, file := range loopFiles() {
		if strings.Contains(file, dir) || strings.Contains(file, "/machines/") {
			t.Errorf("left: a loop device of %s", file)
		}
	}
}
