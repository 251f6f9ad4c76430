// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

const (
	stickPod  = "stick"
	stickPath = "/dev/ttyACM0" // in the container
	// dialout is the group of serial devices on Debian.
	dialout = 20
)

// stick is a serial device as a home server has it: the group's, with a link
// by-id to it. Few machines that run the demo have one, so the node is another
// name of /dev/fuse.
type stick struct{ dir, link string }

func newStick() (s stick, err error) {
	s.dir = "/dev/nodegate-demo-" + strconv.Itoa(os.Getpid())
	s.link = filepath.Join(s.dir, "by-id", "usb-stick-if00")
	tty := filepath.Join(s.dir, "ttyACM0")
	if err := os.MkdirAll(filepath.Dir(s.link), 0o755); err != nil {
		return s, fmt.Errorf("making a serial device: %w", err)
	}
	err = unix.Mknod(tty, unix.S_IFCHR, int(unix.Mkdev(10, 229)))
	return s, errors.Join(err, os.Chown(tty, 0, dialout), os.Chmod(tty, 0o660), os.Symlink("../ttyACM0", s.link))
}

func (s stick) remove() error { return os.RemoveAll(s.dir) }

func (s stick) rows() []row {
	return []row{{"open a serial stick", "plain pod, hostPath by-id, uid 1000 in dialout", stickPod, "user", []string{"open", stickPath, "rw"}}}
}

// container adds what such a pod has: the device as a volume, and its group.
func (s stick) container(c *node.ContainerConfig) {
	c.Mounts = []node.Mount{{HostPath: s.link, ContainerPath: stickPath}}
	c.SupplementalGroups = []int64{dialout}
}

// policy is TOML for the profile that gives the device.
func (s stick) policy() string {
	return fmt.Sprintf("\n[[profiles.%s.devices]]\npath = %q\ncontainer_path = %q\naccess = \"rw\"\n", stickPod, s.link, stickPath)
}
