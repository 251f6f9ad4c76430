// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// populate fills a fake node's /dev with everything that a lookup may meet.
func populate(t *testing.T, root string) {
	dev := root + "/dev"
	mknod(t, dev+"/ttyUSB10", unix.S_IFCHR|0o660, 188, 10)
	mknod(t, dev+"/ttyUSB0", unix.S_IFCHR|0o600, 188, 0)
	mknod(t, dev+"/ttyUSB1", unix.S_IFCHR|0o4666, 188, 1)
	mknod(t, dev+"/loop300", unix.S_IFBLK|0o660, 7, 300)
	mknod(t, dev+"/a*b", unix.S_IFCHR|0o600, 1, 3)
	mknod(t, dev+"/fifo", unix.S_IFIFO|0o600, 0, 0)
	mknod(t, dev+"/sock", unix.S_IFSOCK|0o600, 0, 0)
	mknod(t, root+"/etc/outside", unix.S_IFCHR|0o666, 1, 5)
	mknod(t, dev+"/.udev/nodegate/abc/0", unix.S_IFCHR|0o666, 188, 0)
	must(t, os.WriteFile(dev+"/file", nil, 0o600))

	must(t, os.WriteFile(dev+`/file\x41`, nil, 0o600))
	mknod(t, dev+`/disk/by-partlabel/Basic\x20data\x20partition`, unix.S_IFBLK|0o660, 8, 1)

	mknod(t, dev+"/gpu/card0", unix.S_IFCHR|0o660, 226, 0)
	mknod(t, dev+"/gpu/renderD128", unix.S_IFCHR|0o666, 226, 128)
	mknod(t, dev+"/gpu/more/deep", unix.S_IFCHR|0o660, 226, 1)
	mkdir(t, dev+"/gpu/other")
	mount(t, "tmpfs", dev+"/gpu/other", 0, "")
	mknod(t, dev+"/gpu/other/node", unix.S_IFCHR|0o666, 1, 5)
	symlink(t, "../card0", dev+"/gpu/by-path/a-card")
	symlink(t, "..", dev+"/gpu/by-path/up")
	symlink(t, "/run/nothing", dev+"/gpu/dangling")
	symlink(t, "gpu", dev+"/gpu-link")

	symlink(t, "/dev/ttyUSB0", dev+"/serial/by-id/absolute")
	symlink(t, "../../ttyUSB1", dev+"/serial/by-id/relative")
	symlink(t, "../../../../../../dev/ttyUSB10", dev+"/serial/by-id/upwards")
	symlink(t, "/dev/gone", dev+"/serial/by-id/z-dangling")
	symlink(t, "/etc/outside", dev+"/leaves")
	symlink(t, "/etc", dev+"/etc")
	symlink(t, "loop-b", dev+"/loop-a")
	symlink(t, "loop-a", dev+"/loop-b")
	symlink(t, "/proc/self/fd", dev+"/fd")
	symlink(t, "/dev/.udev/nodegate/abc/0", dev+"/shadowed")
	symlink(t, "/dev/shm/node", dev+"/through-shm")

	mkdir(t, dev+"/shm")
	mount(t, "tmpfs", dev+"/shm", 0, "")
	mknod(t, dev+"/shm/node", unix.S_IFCHR|0o666, 1, 5)
	// As nodes that are containers get devices; and in a place that others fill.
	for _, at := range []string{dev + "/bound", dev + "/shm/bound", dev + "/bound-file"} {
		must(t, os.WriteFile(at, nil, 0o600))
	}
	bind(t, dev+"/shm/node", dev+"/bound")
	bind(t, dev+"/shm/node", dev+"/shm/bound")
	must(t, os.WriteFile(root+"/etc/file", nil, 0o600))
	bind(t, root+"/etc/file", dev+"/bound-file")
	symlink(t, "bound", dev+"/to-bound")

	mkdir(t, root+"/proc")
	mount(t, "proc", root+"/proc", 0, "")
}

func TestLookupDevices(t *testing.T) {
	root := fakeNode(t)
	populate(t, root)
	h := newHost(t, root)
	for _, c := range []struct{ pattern, want string }{
		{"/dev/ttyUSB0", "/dev/ttyUSB0 c 188:0 0600"},
		{"/dev/ttyUSB*", "/dev/ttyUSB0 c 188:0 0600, /dev/ttyUSB1 c 188:1 0666, /dev/ttyUSB10 c 188:10 0660"},
		{"/dev/ttyUSB[01]", "/dev/ttyUSB0 c 188:0 0600, /dev/ttyUSB1 c 188:1 0666"},
		{"/dev/loop300", "/dev/loop300 b 7:300 0660"},
		{`/dev/a\*b`, "/dev/a*b c 1:3 0600"},
		{"/dev/gone", ""},
		{"/dev/gone*", ""},
		{"/dev/gone/x", ""},
		{"/dev/gone*/x*", ""},
		{"/dev/ttyUSB0/x", ""},
		{"/dev/ttyUSB0/*", ""},

		{"/dev/serial/by-id/absolute", "/dev/serial/by-id/absolute c 188:0 0600"},
		{"/dev/ser*/by-id/*", "/dev/serial/by-id/absolute c 188:0 0600, /dev/serial/by-id/relative c 188:1 0666, /dev/serial/by-id/upwards c 188:10 0660"},
		{"/dev/serial/by-id/z-dangling", ""},

		{"/dev/.udev/nodegate/abc/0", ""},
		{"/dev/.udev/nodegate/*/*", ""},
		{"/dev/.udev/*/*/0", ""},
		{"/dev/shadowed", ""},

		{"/dev/leaves", `error: "/dev/leaves" leaves /dev: it is a symbolic link to "/etc/outside"`},
		{"/dev/etc/outside", `error: "/dev/etc/outside" leaves /dev: it is a symbolic link to "/etc/outside"`},
		{"/dev/etc/*", `error: "/dev/etc" is on another file system than /dev: write a pattern that does not search it`},
		{"/dev/loop-a", `error: "/dev/loop-a" leaves /dev: its symbolic links go round in a circle or through /proc`},
		{"/dev/loop-a/*", `error: "/dev/loop-a" leaves /dev: its symbolic links go round in a circle or through /proc`},
		{"/dev/fd/0", `error: "/dev/fd/0" leaves /dev: its symbolic links go round in a circle or through /proc`},
		{"/dev/shm/node", `error: "/dev/shm/node" is on another file system than /dev, where others than the node's administrator may have put it`},
		{"/dev/through-shm", `error: "/dev/through-shm" is on another file system than /dev, where others than the node's administrator may have put it`},
		{"/dev/bound", "/dev/bound c 1:5 0666"},
		{"/dev/to-bound", "/dev/to-bound c 1:5 0666"},
		{"/dev/bound-file", `error: "/dev/bound-file" is a regular file, not a device`},
		{"/dev/shm/bound", `error: "/dev/shm/bound" is on another file system than /dev, where others than the node's administrator may have put it`},
		{"/dev/s*/node", `error: "/dev/shm/node" is on another file system than /dev, where others than the node's administrator may have put it`},
		{"/dev/shm/*", `error: "/dev/shm" is on another file system than /dev: write a pattern that does not search it`},
		{"/dev/fifo", `error: "/dev/fifo" is a FIFO, not a device`},
		{"/dev/sock", `error: "/dev/sock" is a socket, not a device`},
		{"/dev/file", `error: "/dev/file" is a regular file, not a device`},

		// A glob passes over what is no device, wherever a link to it leads.
		{"/dev/fi*", ""},
		{"/dev/l*", `error: "/dev/leaves" leaves /dev: it is a symbolic link to "/etc/outside"`},
		{"/dev/gpu/*", "/dev/gpu/card0 c 226:0 0660, /dev/gpu/renderD128 c 226:128 0666"},
		{"/dev/gpu/by-path/*", "/dev/gpu/by-path/a-card c 226:0 0660"},
		{"/dev/gpu/[bm]*/*", "/dev/gpu/by-path/a-card c 226:0 0660, /dev/gpu/more/deep c 226:1 0660"},

		// A directory stands for the devices below it.
		{"/dev/gpu", "directory: /dev/gpu/card0 c 226:0 0660, /dev/gpu/more/deep c 226:1 0660, /dev/gpu/renderD128 c 226:128 0666"},
		{"/dev/gpu-link", "directory: /dev/gpu-link/card0 c 226:0 0660, /dev/gpu-link/more/deep c 226:1 0660, /dev/gpu-link/renderD128 c 226:128 0666"},
		{"/dev/serial", "directory: "},
		{"/dev/.udev", "directory: "},
		{"/dev/shm", `error: "/dev/shm" is on another file system than /dev: write a pattern that does not search it`},
		{"/dev/etc", `error: "/dev/etc" leaves /dev: it is a symbolic link to "/etc"`},

		// As ls prints it, and as a glob writes the same.
		{`/dev/disk/by-partlabel/Basic\x20data\x20partition`, `/dev/disk/by-partlabel/Basic\x20data\x20partition b 8:1 0660`},
		{`/dev/disk/by-partlabel/Basic\\x20data\\x20partition`, `/dev/disk/by-partlabel/Basic\x20data\x20partition b 8:1 0660`},
		{`/dev/disk/by-partlabel/Basic\x20*`, `/dev/disk/by-partlabel/Basic\x20data\x20partition b 8:1 0660`},
		{`/dev/disk/by-partlabel/EFI\x2zx`, ""},
		{`/dev/file\x41`, `error: "/dev/file\x41" is a regular file, not a device`},

		{"/etc/outside", `error: "/etc/outside" is not a path below /dev`},
		{"/dev/../etc/outside", `error: "/dev/../etc/outside" is not a path below /dev`},
		{"/dev", `error: "/dev" is not a path below /dev`},
		{"dev/ttyUSB0", `error: "dev/ttyUSB0" is not a path below /dev`},
		{"", `error: "" is not a path below /dev`},
		{"/*/ttyUSB0", `error: "/*/ttyUSB0" is not a path below /dev`},
		{"/dev/tty[", `error: "/dev/tty[": syntax error in pattern`},
		{"/dev/x\x00y", `error: open /dev/x` + "\x00" + `y: invalid argument`},
	} {
		if got := words(h.LookupDevice(policy.DeviceSelector{Path: c.pattern})); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.pattern, got, c.want)
		}
	}
	usb, gone, file := policy.DeviceSelector{Path: "/dev/ttyUSB0"}, policy.DeviceSelector{Path: "/dev/gone"}, policy.DeviceSelector{Path: "/dev/file"}
	all := h.LookupDevices([]policy.DeviceSelector{usb, gone, file})
	if len(all) != 3 || len(all[usb].Nodes) != 1 || all[gone].Err != nil || all[file].Err == nil {
		t.Errorf("looked up together: %v", all)
	}
}

// What volumes have of /dev: nothing that a pod's author could have put there.
func TestLookupSources(t *testing.T) {
	root := fakeNode(t)
	populate(t, root)
	symlink(t, "/dev/ttyUSB0", root+"/etc/link")
	h := newHost(t, root)
	want := map[string]string{
		"/dev/ttyUSB0":              "/dev/ttyUSB0",
		"/dev/serial/by-id/upwards": "/dev/ttyUSB10",
		"/dev/gpu":                  "directory /dev/gpu",
		"/dev/gpu-link/more":        "directory /dev/gpu/more",
		"/dev":                      "directory /dev",
		"/dev/../dev/gpu/":          "directory /dev/gpu",
		"/dev/../etc/outside":       "",
		"/dev/leaves":               "",
		"/dev/etc":                  "",
		"/dev/fd":                   "",
		"/dev/shm":                  "",
		"/dev/shm/node":             "",
		"/dev/file":                 "",
		"/dev/gone":                 "",
		"/dev/.udev/nodegate/abc/0": "",
		"/dev/loop-a":               "",
	}
	elsewhere := []string{"/etc/link", "/etc/outside", "/device", "tmpfs", ""}
	got := h.LookupSources(append(slices.Collect(maps.Keys(want)), elsewhere...))
	for p, w := range want {
		is := got[p].Device.Value.Resolved
		if dir := got[p].Directory; dir != "" {
			is = "directory " + dir
		}
		if is != w || got[p].Device.OK != strings.HasPrefix(w, "/") {
			t.Errorf("%s: got %+v, want %q", p, got[p], w)
		}
	}
	for _, p := range elsewhere {
		if _, looked := got[p]; looked {
			t.Errorf("%s was looked at", p)
		}
	}
}

// words writes a lookup's answer in one line.
func words(l policy.DeviceLookup) string {
	if l.Err != nil {
		if l.Nodes != nil {
			return "both nodes and an error"
		}
		return "error: " + l.Err.Error()
	}
	var out []string
	for _, n := range l.Nodes {
		out = append(out, fmt.Sprintf("%s %s %d:%d %04o", n.Path, n.Type, n.Major, n.Minor, uint32(n.Mode)))
	}
	text := strings.Join(out, ", ")
	if l.Directory {
		text = "directory: " + text
	}
	return text
}

func TestLookupDevicesOfThisMachine(t *testing.T) {
	h := newHost(t, "/")
	if got, want := words(h.LookupDevice(policy.DeviceSelector{Path: "/dev/nul[l]"})), "/dev/null c 1:3 0666"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if l := h.LookupDevice(policy.DeviceSelector{Path: "/dev/stdin"}); l.Err == nil || !strings.Contains(l.Err.Error(), "leaves /dev") {
		t.Errorf("/dev/stdin: %v", l)
	}
	if l := h.LookupDevice(policy.DeviceSelector{Path: "/dev/pts/ptmx"}); l.Err == nil || !strings.Contains(l.Err.Error(), "another file system") {
		t.Errorf("/dev/pts/ptmx: %v", l)
	}
}

func TestLookupDevicesWithoutDev(t *testing.T) {
	h := newHost(t, t.TempDir())
	if l := h.LookupDevice(policy.DeviceSelector{Path: "/dev/null"}); l.Err == nil {
		t.Errorf("a node without /dev: %v", l)
	}
	if _, err := New("/does/not/exist", "/dev/x"); err == nil {
		t.Error("host_root need not exist")
	}
	if _, err := New("relative", "/dev/x"); err == nil {
		t.Error("host_root need not be absolute")
	}
}

// A device that comes and goes is there or is not; it is never an error.
func TestLookupDevicesThatVanish(t *testing.T) {
	root := fakeNode(t)
	h := newHost(t, root)
	// The other goroutine is in another mount namespace, so by descriptor.
	dir, err := unix.Open(root+"/dev", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := uint32(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("tty%d", i%4)
			_ = unix.Mknodat(dir, name, unix.S_IFCHR|0o600, int(unix.Mkdev(4, i%4)))
			_ = unix.Unlinkat(dir, fmt.Sprintf("tty%d", (i+2)%4), 0)
		}
	}()
	seen := map[int]bool{}
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		l := h.LookupDevice(policy.DeviceSelector{Path: "/dev/tty*"})
		if l.Err != nil {
			t.Fatal(l.Err)
		}
		if !slices.IsSortedFunc(l.Nodes, func(a, b policy.HostDevice) int { return strings.Compare(a.Path, b.Path) }) {
			t.Fatalf("not in order: %v", l.Nodes)
		}
		seen[len(l.Nodes)] = true
	}
	close(stop)
	<-done
	must(t, unix.Close(dir))
	t.Logf("numbers of nodes seen: %v", seen)
}

func TestLookupDevicesTooMany(t *testing.T) {
	root := fakeNode(t)
	for i := range maxMatches + 1 {
		must(t, os.WriteFile(fmt.Sprintf("%s/dev/f%d", root, i), nil, 0o600))
	}
	l := newHost(t, root).LookupDevice(policy.DeviceSelector{Path: "/dev/f*"})
	if l.Err == nil || !strings.Contains(l.Err.Error(), "matches 4097 paths") {
		t.Errorf("got %v", l)
	}
}

// A directory that somebody filled is refused before it is read to its end.
func TestLookupDirectoryTooLarge(t *testing.T) {
	root := fakeNode(t)
	mkdir(t, root+"/dev/many")
	for i := range 100_000 {
		must(t, unix.Mknod(fmt.Sprintf("%s/dev/many/f%d", root, i), unix.S_IFREG|0o600, 0))
	}
	mkdir(t, root+"/dev/deep/a/b")
	for i := range maxMatches {
		must(t, unix.Mknod(fmt.Sprintf("%s/dev/deep/a/f%d", root, i), unix.S_IFREG|0o600, 0))
	}
	h := newHost(t, root)
	for pattern, want := range map[string]string{
		"/dev/many":   `"/dev/many" has more than 4096 entries: name the devices that are meant`,
		"/dev/many/*": `"/dev/many" has more than 16384 entries: write a path that does not search it`,
		"/dev/m*/f1":  "",
		"/dev/deep":   `"/dev/deep" has more than 4096 entries: name the devices that are meant`,
	} {
		start := time.Now()
		l := h.LookupDevice(policy.DeviceSelector{Path: pattern})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %s", pattern, took)
		}
		if got := fmt.Sprint(l.Err); got != want && (want != "" || l.Err != nil || l.Nodes != nil) {
			t.Errorf("%s: got %s, want %s", pattern, got, want)
		}
	}
}

// An old kernel or a strict seccomp profile has no openat2.
func TestLookupDevicesWithoutOpenat2(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		t.Run(errno.Error(), func(t *testing.T) {
			ownThread(t)
			h := newHost(t, "/")
			denySyscall(t, unix.SYS_OPENAT2, errno)
			l := h.LookupDevice(policy.DeviceSelector{Path: "/dev/null"})
			if l.Err == nil || !strings.Contains(l.Err.Error(), "openat2(2) is missing") {
				t.Errorf("got %v", l)
			}
			if uid, gid := h.IDMaps(1); uid.OK || gid.OK {
				t.Error("id maps are known without a way to read them")
			}
		})
	}
}

// denySyscall installs a seccomp filter on this thread alone.
func denySyscall(t *testing.T, nr uint32, errno unix.Errno) {
	t.Helper()
	const seccompRetErrno, seccompRetAllow = 0x00050000, 0x7fff0000
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompRetErrno | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompRetAllow},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	must(t, setSeccompFilter(&prog))
}
