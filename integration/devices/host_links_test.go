// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

// What the administrator's path or glob catches and is not a device of /dev's own is
// refused with the reason, wherever a link leads. A pod can write to /dev/shm when it
// shares the node's, so that what is there is nobody's choice.
func TestHostLinks(t *testing.T) {
	n := it.SharedNode(t)
	shm := fmt.Sprintf("/dev/shm/nodegate-test-%d", os.Getpid())
	t.Cleanup(func() { _ = os.Remove(shm) })
	if err := unix.Mknod(shm, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 1))); err != nil {
		t.Fatal(err)
	}
	link := func(name, to string) string {
		return hostFile(t, name, func(path string) error { return os.Symlink(to, path) })
	}
	inside := link("inside", filepath.Base(hostNode(t, "target", unix.S_IFCHR, 10, 229)))
	// A glob passes over what is no device.
	cases := []struct {
		name, path, reason string
		noDevice           bool
	}{
		{"passwd", link("passwd", "/etc/passwd"), "is a regular file, not a device", true},
		{"shm", link("shm", shm), "is on another file system than /dev", false},
		{"dir", link("dir", "/dev/shm"), "is on another file system than /dev", true}, // a mount, like a device that is bound there
		{"proc", link("proc", "/proc/self/fd/0"), "leaves /dev", false},
		{"loop", link("loop", fmt.Sprintf("/dev/nodegate-test-%d-loop", os.Getpid())), "leaves /dev", false},
		{"file", hostFile(t, "file", func(path string) error { return os.WriteFile(path, nil, 0o600) }), "is a regular file, not a device", true},
		{"fifo", hostFile(t, "fifo", func(path string) error { return unix.Mkfifo(path, 0o600) }), "is a FIFO, not a device", true},
	}
	policy := it.GrantApart("inside") + fmt.Sprintf("[profiles.inside]\ndevices = [{ path = %q, access = \"rw\", mode = \"0666\" }]\n", inside)
	names := []string{"inside"}
	for _, tc := range cases {
		for _, name := range []string{tc.name, tc.name + "-glob"} {
			names = append(names, name)
			policy += it.GrantApart(name) + fmt.Sprintf("[profiles.%s]\ndevices = [{ path = %q, access = \"rwm\" }]\n", name, patternOf(name, tc.path))
		}
	}
	it.StartAgent(t, n, policy)
	for _, userns := range []bool{false, true} {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns, Annotations: it.AskForEach(names...)})
		for _, tc := range cases {
			for _, name := range []string{tc.name, tc.name + "-glob"} {
				got := it.Refusal(t, p, node.ContainerConfig{Name: name})
				pattern, reason := patternOf(name, tc.path), tc.reason
				want := fmt.Sprintf("would get profile %q, but its device %q cannot be given: %q ", name, pattern, tc.path)
				if tc.noDevice && pattern != tc.path {
					want, reason = fmt.Sprintf("would get profile %q, but this node has no device %q", name, pattern), ""
				}
				if !strings.Contains(got, want) || !strings.Contains(got, reason) {
					t.Errorf("%s: %s\nwant that it says %s… %s", name, got, want, reason)
				}
			}
		}
		// A link that stays within /dev is one of the usual names there.
		c := it.RunContainer(t, p, node.ContainerConfig{Name: "inside"})
		if f := it.Stat(t, c, inside); f != (it.File{Type: "char", Mode: "0666", Major: 10, Minor: 229}) {
			t.Errorf("by a link within /dev: %+v", f)
		}
	}
}

// patternOf is the path itself, or a glob that matches it alone.
func patternOf(profile, path string) string {
	if strings.HasSuffix(profile, "-glob") {
		return path[:len(path)-1] + "?"
	}
	return path
}
