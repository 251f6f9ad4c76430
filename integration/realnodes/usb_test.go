// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/node"
)

const usbPolicy = `version = 1
[[profiles.zigbee.devices]]
usb = { vendor = "0403", product = "6001", serial = "A1" }
subsystem = "tty"
live = "/dev/serial/by-id"
access = "rw"
mode = "0660"
gid = "user"
optional = true
[[grants]]
namespaces = ["home"]
profiles = ["zigbee"]
`

// The ports that the adapter is plugged into, one after the other, and the files by
// which the two halves of the test tell each other how far they are.
var usbPorts = []int{1, 3}

func unplugMark(port int) string { return fmt.Sprintf("/run/usb-heard-%d", port) }

// A pod with a user namespace reads from a USB serial adapter, and again after it was
// unplugged and plugged into another port, while an adapter of another serial number is
// there that it does not see.
func TestUSBSerial(t *testing.T) {
	if it.Inside() == "pod" {
		usbPod(t)
		return
	}
	t.Parallel()
	m := start(t, machines.Options{System: machines.TrixieUSB})
	m.install()
	m.policy(usbPolicy)
	neighbour, err := m.PlugSerial(t.Context(), "B2", 2)
	it.Must(t, err)
	defer neighbour.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.inside("pod")
	}()
	for _, port := range usbPorts {
		conn, err := m.PlugSerial(t.Context(), "A1", port)
		it.Must(t, err)
		heard, err := bufio.NewReader(conn).ReadString('\n') // the container listens
		if err != nil || !strings.Contains(heard, "listening") {
			t.Errorf("at port %d: %q, %v", port, heard, err)
		}
		_, err = fmt.Fprintf(conn, "from port %d\n", port)
		it.Must(t, err)
		m.sh("until test -e " + unplugMark(port) + "; do sleep 0.2; done")
		conn.Close()
		it.Must(t, m.UnplugSerial(t.Context(), "A1"))
	}
	<-ended
	m.nothingLeft()
}

// usbPod is the part on the machine.
func usbPod(t *testing.T) {
	n := attach(t)
	pod := it.RunPod(t, n, node.PodConfig{Namespace: "home", UserNamespace: true, Handler: "nodegate", Annotations: it.AskFor("zigbee")})
	c := it.RunContainer(t, pod, node.ContainerConfig{RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000))})
	for i, port := range usbPorts {
		name := ""
		for until := time.Now().Add(limit); name == ""; time.Sleep(100 * time.Millisecond) {
			for line := range strings.Lines(it.Ask(t, c, "ls /dev/serial/by-id")[0]) {
				if strings.HasPrefix(line, "usb-") {
					name = strings.TrimSpace(line)
				}
			}
			if time.Now().After(until) {
				t.Fatalf("at port %d nothing appears", port)
			}
		}
		if !strings.Contains(name, "A1") {
			t.Errorf("at port %d: %s", port, name)
		}
		at := "/dev/serial/by-id/" + name
		t.Logf("at port %d: %s %+v", port, name, it.Stat(t, c, at))
		if i > 0 { // the first one was there before the container
			target, err := os.Readlink("/dev/serial/by-id/" + name)
			it.Must(t, err)
			tty := filepath.Base(target)
			t.Logf("%s appeared %v after the kernel made it, %s %v after udev did", tty, behind(t, "/dev/"+tty), name, behind(t, "/dev/serial/by-id/"+name))
		}
		if got, want := it.Ask(t, c, "hear "+at)[0], fmt.Sprintf("from port %d", port); got != want {
			t.Errorf("read %q, want %q", got, want)
		}
		it.Must(t, os.WriteFile(unplugMark(port), nil, 0o600))
		it.Probe(t, c, "until", "ENOENT", at)
	}
	it.ExpectEach(t, c, []it.QA{{"ls /dev/serial/by-id", ""}, {"open /dev/ttyUSB0", "ENOENT"}})
	it.Remove(t, pod)
}

// behind is how long after a file of /dev was made a live directory has a node of its name:
// a node's ctime is that of its renaming into the directory.
func behind(t *testing.T, name string) time.Duration {
	t.Helper()
	found, err := filepath.Glob("/dev/.udev/nodegate/*/live-0/" + filepath.Base(name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s is at %q: %v", name, found, err)
	}
	var made unix.Statx_t
	var node unix.Stat_t
	it.Must(t, unix.Statx(unix.AT_FDCWD, name, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &made), unix.Lstat(found[0], &node))
	return time.Duration(node.Ctim.Nano() - made.Btime.Sec*int64(time.Second) - int64(made.Btime.Nsec))
}
