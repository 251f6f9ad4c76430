// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A program that makes an image ends when the test that runs it is killed, together with its
// children, and no other process sees what it mounted.
func TestKilledMaking(t *testing.T) {
	if dir := os.Getenv(killedEnv); dir != "" {
		const script = `mount -t tmpfs held "$0"; sh -c 'grep "$0" /proc/self/mounts >"$0.mounted"; sleep 600' "$0"`
		t.Fatal(output(exec.Command("sh", "-c", script, dir))) // it is killed before
	}
	Require(t, Options{})
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledMaking$")
	cmd.Env = append(os.Environ(), killedEnv+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	mounted := ""
	for until := time.Now().Add(time.Minute); mounted == "" && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		text, _ := os.ReadFile(dir + ".mounted") // not yet
		mounted = string(text)
	}
	if !strings.HasPrefix(mounted, "held ") || len(processesOf(dir)) < 2 {
		t.Errorf("mounted: %q, processes %q", mounted, processesOf(dir))
	}
	if here, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(here), dir) {
		t.Errorf("it mounts where everybody sees it:\n%s", here)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	left := processesOf(dir)
	for until := time.Now().Add(time.Minute); len(left) > 0 && time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		left = processesOf(dir)
	}
	if len(left) > 0 {
		t.Errorf("left: processes %q", left)
	}
}

// listening are the sockets of processes that wait for somebody on a network.
func listening(pids []string) (found []string) {
	for _, pid := range pids {
		own, _ := filepath.Glob("/proc/" + pid + "/fd/*") // the pattern is good
		open := map[string]bool{}
		for _, fd := range own {
			name, _ := os.Readlink(fd) // closed meanwhile
			open[name] = true
		}
		for protocol, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
			text, _ := os.ReadFile("/proc/" + pid + "/net/" + protocol) // it has ended
			for line := range strings.Lines(string(text)) {
				if f := strings.Fields(line); len(f) > 9 && f[3] == state && open["socket:["+f[9]+"]"] {
					found = append(found, protocol+" "+f[1])
				}
			}
		}
	}
	return found
}

// That nothing listens is worth something, since what listens is found.
func TestListening(t *testing.T) {
	tcp, err := net.Listen("tcp4", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if found := listening([]string{strconv.Itoa(os.Getpid())}); len(found) != 2 {
		t.Errorf("found %q", found)
	}
}
