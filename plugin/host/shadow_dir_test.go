// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

func TestNewShadowsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(t *testing.T, root string)
		want string
	}{
		"nodev": {func(t *testing.T, root string) {
			mkdir(t, root+testDir)
			mount(t, "tmpfs", root+testDir, unix.MS_NODEV, "")
		}, "its mount has the option nodev, so device nodes do not open there: name a directory on a mount without nodev, such as one below /dev"},
		"read-only": {func(t *testing.T, root string) {
			must(t, unix.Mount("", root+"/dev", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}, "/dev/.udev cannot be made on a read-only mount (mkdir .udev: read-only file system): mount shadow_dir read-write for the agent"},
		"read-only at the end": {func(t *testing.T, root string) {
			mkdir(t, root+testDir)
			mount(t, "tmpfs", root+testDir, unix.MS_RDONLY, "mode=711")
		}, "it is mounted read-only: mount it read-write for the agent"},
		"a link": {func(t *testing.T, root string) {
			symlink(t, t.TempDir(), root+"/dev/.udev")
		}, "/dev/.udev is a symbolic link or no directory (open .udev: not a directory): write the path of a real directory as shadow_dir"},
		"a file": {func(t *testing.T, root string) {
			must(t, os.WriteFile(root+"/dev/.udev", nil, 0o600))
		}, "/dev/.udev is a symbolic link or no directory"},
		"tight": {func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/dev/.udev", 0o700))
		}, "/dev/.udev has mode 0700, which containers with a user namespace cannot pass: chmod o+x it, or remove it if it is not in use"},
		"writable": {func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/dev/.udev", 0o700))
			must(t, os.Chmod(root+"/dev/.udev", 0o777))
		}, "/dev/.udev has mode 0777, so that others can write in it: chmod go-w it"},
		"not root's": {func(t *testing.T, root string) {
			mkdir(t, root+testDir)
			must(t, os.Chown(root+testDir, 1000, 0))
		}, "/dev/.udev/nodegate belongs to uid 1000: chown it to root"},
		"no CAP_MKNOD": {func(t *testing.T, _ string) {
			keepCapabilities(t, unix.CAP_CHOWN, unix.CAP_FOWNER, unix.CAP_DAC_OVERRIDE)
		}, "the agent may not make device nodes (mknod c 1:3: operation not permitted): run it as root of the node, with CAP_MKNOD"},
	} {
		t.Run(name, func(t *testing.T) {
			root := fakeNode(t)
			c.set(t, root)
			_, err := NewShadows(root, testDir)
			var typed *ShadowDirError
			if !errors.As(err, &typed) {
				t.Fatalf("got %v, want a ShadowDirError", err)
			}
			if want := `shadow_dir "/dev/.udev/nodegate": ` + c.want; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("\n got %s\nwant %s", err, want)
			}
		})
	}
	for _, dir := range []string{"", "/", "relative", "/dev/../etc", "/dev/x/"} {
		if _, err := NewShadows("/", dir); err == nil {
			t.Errorf("shadow_dir %q is accepted", dir)
		}
	}
}

// A new keeper leaves no trace, and takes what an agent in a container finds:
// the shadow directory as a mount of its own below a read-only /dev.
func TestNewShadowsInAContainer(t *testing.T) {
	root := fakeNode(t)
	newShadows(t, root, testDir)
	if got := look(root + "/dev/.udev"); got != unix.ENOENT.Error() {
		t.Errorf("left: %s", got)
	}
	mkdir(t, root+testDir)
	mount(t, "tmpfs", root+testDir, 0, "mode=755")
	must(t, unix.Mount("", root+"/dev", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))

	s := newShadows(t, root, testDir)
	must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0)}))
	if got, want := look(root+testDir), "40711 0:0 0:0"; got != want {
		t.Errorf("the mode of its own directory: got %s, want %s", got, want)
	}
	must(t, s.Remove("abc"))
	s.Close()
	must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0)}))
}

// The agent's rights: these capabilities and no others.
func TestShadowsWithFewCapabilities(t *testing.T) {
	root := fakeNode(t)
	keepCapabilities(t, unix.CAP_MKNOD, unix.CAP_CHOWN, unix.CAP_FOWNER)
	s := newShadows(t, root, testDir)
	must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0)}))
	must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0)}))
	if l := newHost(t, root).LookupDevice(policy.DeviceSelector{Path: "/dev/*/*/*/*"}); l.Err != nil || l.Nodes != nil {
		t.Errorf("got %v", l)
	}
	removed, err := s.Sweep(func(string) bool { return false })
	if err != nil || !slices.Equal(removed, []string{"abc"}) {
		t.Errorf("swept %v, %v", removed, err)
	}
}

func TestSweep(t *testing.T) {
	root := fakeNode(t)
	s := newShadows(t, root, testDir)
	if ids, err := s.List(); ids != nil || err != nil {
		t.Errorf("of nothing: %v, %v", ids, err)
	}
	for _, id := range []string{"gone-1", "live", "gone-2"} {
		must(t, s.Create(id, 100000, []policy.ShadowNode{shadow(testDir, id, 0), shadow(testDir, id, 1)}))
	}
	mkdir(t, root+testDir+"/half-made")
	mknod(t, root+testDir+"/.probe-12", unix.S_IFCHR, 1, 3)
	must(t, os.WriteFile(root+testDir+"/.hidden", nil, 0o600))
	ids, err := s.List()
	if want := []string{"gone-1", "gone-2", "half-made", "live"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("listed %v, %v, want %v", ids, err, want)
	}
	removed, err := s.Sweep(func(id string) bool { return id == "live" })
	if want := []string{"gone-1", "gone-2", "half-made"}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("swept %v, %v, want %v", removed, err, want)
	}
	if got := look(root + testDir + "/live/1"); got != "20600 1:3 100000:100001" {
		t.Errorf("the live one: %s", got)
	}
	if got := look(root + testDir + "/.probe-12"); got != unix.ENOENT.Error() {
		t.Errorf("a dead agent's probe: %s", got)
	}

	// One that cannot be removed does not keep the rest.
	mkdir(t, root+testDir+"/a-bad/0")
	removed, err = s.Sweep(func(string) bool { return false })
	if err == nil || !strings.Contains(err.Error(), `container "a-bad"`) || !slices.Equal(removed, []string{"live"}) {
		t.Errorf("swept %v, %v", removed, err)
	}
	must(t, os.Remove(root+testDir+"/a-bad/0"))
	must(t, os.Remove(root+testDir+"/.hidden"))
	if _, err := s.Sweep(func(string) bool { return false }); err != nil {
		t.Error(err)
	}
	if got := look(root + "/dev/.udev"); got != unix.ENOENT.Error() {
		t.Errorf("left: %s", got)
	}
}

// A directory that was there before stays.
func TestCloseKeepsTheDirectoriesOfOthers(t *testing.T) {
	root := fakeNode(t)
	mkdir(t, root+"/dev/.udev")
	s := newShadows(t, root, testDir)
	must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0)}))
	s.Close()
	if got := look(root + testDir + "/abc/0"); got != "20600 1:3 100000:100001" {
		t.Errorf("closed under a container: %s", got)
	}
	must(t, s.Remove("abc"))
	s.Close()
	if got := look(root + testDir); got != unix.ENOENT.Error() {
		t.Errorf("the empty shadow directory: %s", got)
	}
	if got := look(root + "/dev/.udev"); got != "40755 0:0 0:0" {
		t.Errorf("the directory above: %s", got)
	}
}

func TestLabel(t *testing.T) {
	root := fakeNode(t)
	s := newShadows(t, root, testDir)
	s.label = containerLabel
	n := shadow(testDir, "abc", 0)
	if err := s.Create("abc", 100000, []policy.ShadowNode{n}); errors.Is(err, unix.EOPNOTSUPP) {
		cannot(t, "this kernel's tmpfs has no extended attributes")
	} else {
		must(t, err)
	}
	buf := make([]byte, 100)
	size, err := unix.Lgetxattr(root+n.Path, "security.selinux", buf)
	if want := containerLabel + "\x00"; err != nil || string(buf[:size]) != want {
		t.Errorf("got %q, %v, want %q", buf[:max(size, 0)], err, want)
	}

	// A node that nothing may use is worse than a refusal.
	must(t, s.Remove("abc"))
	mkdir(t, root+testDir)
	mount(t, "ramfs", root+testDir, 0, "")
	if err := s.Create("abc", 100000, []policy.ShadowNode{n}); !errors.Is(err, unix.EOPNOTSUPP) || !strings.Contains(err.Error(), "SELinux label") {
		t.Errorf("on a file system without labels: %v", err)
	}
	if ids, err := s.List(); len(ids) != 0 || err != nil {
		t.Errorf("left: %v, %v", ids, err)
	}
}

func TestShadowLabel(t *testing.T) {
	root := t.TempDir()
	if got := shadowLabel(root); got != "" {
		t.Errorf("without /proc: %q", got)
	}
	mkdir(t, root+"/proc")
	must(t, os.WriteFile(root+"/proc/filesystems", []byte("nodev\tsysfs\n\text4\n"), 0o600))
	if got := shadowLabel(root); got != "" {
		t.Errorf("without SELinux: %q", got)
	}
	must(t, os.WriteFile(root+"/proc/filesystems", []byte("nodev\tsysfs\nnodev\tselinuxfs\n\text4\n"), 0o600))
	if got := shadowLabel(root); got != containerLabel {
		t.Errorf("with SELinux: %q", got)
	}
}

// keepCapabilities drops all others from this thread.
func keepCapabilities(t *testing.T, keep ...uint) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, c := range keep {
		data[c/32].Effective |= 1 << (c % 32)
		data[c/32].Permitted |= 1 << (c % 32)
	}
	// The thread has to unmount what the test mounted.
	var before [2]unix.CapUserData
	must(t, unix.Capget(&header, &before[0]))
	restore := before
	for i := range data {
		data[i].Permitted = before[i].Permitted
	}
	must(t, unix.Capset(&header, &data[0]))
	t.Cleanup(func() { _ = unix.Capset(&header, &restore[0]) })
}
