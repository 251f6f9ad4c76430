// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

var adapter = policy.DeviceSelector{USB: policy.USB{Vendor: "10c4", Product: "ea60", Subsystem: "tty"}}

// liveNode is a fake node with a container that has one live directory.
type liveTest struct {
	*Live
	root, at string
	dirs     []policy.LiveDirectory
}

func newLive(t *testing.T, devices ...policy.LiveDevices) *liveTest {
	t.Helper()
	root := fakeNode(t)
	mkdir(t, root+"/sys/class/tty")
	s := newShadows(t, root, testDir)
	dirs := []policy.LiveDirectory{{Path: testDir + "/c1/live-0", ContainerPath: "/dev/serial/by-id", Devices: devices}}
	must(t, s.Create("c1", 100000, nil, dirs...))
	l := &liveTest{NewLive(newHost(t, root), s), root, root + testDir + "/c1/live-0", dirs}
	must(t, l.Keep("c1", dirs))
	return l
}

func ofMajor188(s policy.DeviceSelector) policy.LiveDevices {
	return policy.LiveDevices{Select: s, Majors: []int64{188}, UID: 100000, GID: 100007}
}

// holds compares the directory with "name mode major:minor uid:gid".
func (l *liveTest) holds(t *testing.T, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(l.at)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name()+" "+look(l.at+"/"+e.Name()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the directory holds %q, want %q", got, want)
	}
	if left, err := os.ReadDir(l.root + testDir + "/c1"); err != nil || len(left) != 1 {
		t.Errorf("beside it: %v, %v", left, err)
	}
}

func TestLive(t *testing.T) {
	mode := fs.FileMode(0o600)
	d := ofMajor188(adapter)
	d.Mode = &mode
	l := newLive(t, d)
	l.holds(t)
	u := usbSerial{port: "1-1", vendor: "10c4", product: "ea60", name: "ttyUSB0"}
	u.plug(t, l.root)
	symlink(t, "../../ttyUSB0", l.root+"/dev/serial/by-id/usb-Silicon_Labs-if00")
	neighbour := usbSerial{port: "1-2", vendor: "0403", product: "6001", name: "ttyUSB1", minor: 1}
	neighbour.plug(t, l.root)
	must(t, l.Update())
	l.holds(t, "ttyUSB0 20600 188:0 100000:100007", "usb-Silicon_Labs-if00 20600 188:0 100000:100007")
	inode := func() uint64 {
		var st unix.Stat_t
		must(t, unix.Stat(l.at+"/ttyUSB0", &st))
		return st.Ino
	}
	before := inode()
	must(t, l.Update())
	if inode() != before {
		t.Error("a node was made anew without need")
	}

	u.unplug(t, l.root)
	must(t, l.Update())
	l.holds(t)
	u.port, u.name, u.minor = "1-3", "ttyUSB2", 2
	u.plug(t, l.root)
	must(t, os.Remove(l.root+"/dev/serial/by-id/usb-Silicon_Labs-if00"))
	symlink(t, "../../ttyUSB2", l.root+"/dev/serial/by-id/usb-Silicon_Labs-if00")
	must(t, l.Update())
	l.holds(t, "ttyUSB2 20600 188:2 100000:100007", "usb-Silicon_Labs-if00 20600 188:2 100000:100007")
	if appeared, retired := l.Counts(); appeared != 4 || retired != 2 {
		t.Errorf("%d nodes have appeared, %d were taken out", appeared, retired)
	}

	// The next agent finds it as it was, and brings it up to date.
	u.unplug(t, l.root)
	next := NewLive(l.host, l.shadows)
	next.Replace(map[string][]policy.LiveDirectory{"c1": l.dirs, "gone": l.dirs})
	must(t, next.Update())
	l.holds(t)

	l.Forget("c1")
	must(t, l.shadows.Remove("c1"))
	must(t, l.Update())
	if ids, err := l.shadows.List(); len(ids) != 0 || err != nil {
		t.Errorf("left: %v, %v", ids, err)
	}
}

// One look at the node is for all containers; the next one sees what has changed.
func TestLiveLooksOnce(t *testing.T) {
	l := newLive(t, ofMajor188(adapter))
	now := &glance{host: l.host}
	names := func(g *glance) (names []string) {
		want, err := g.wanted(&l.dirs[0])
		must(t, err)
		for _, n := range want {
			names = append(names, n.Path)
		}
		return names
	}
	if got := names(now); len(got) > 0 {
		t.Errorf("before it is plugged in: %q", got)
	}
	u := usbSerial{port: "1-1", vendor: "10c4", product: "ea60", name: "ttyUSB0"}
	u.plug(t, l.root)
	symlink(t, "../../ttyUSB0", l.root+"/dev/serial/by-id/usb-Silicon_Labs-if00")
	if got := names(now); len(got) > 0 {
		t.Errorf("one glance sees %q", got)
	}
	if got := names(&glance{host: l.host}); !slices.Equal(got, []string{"ttyUSB0", "usb-Silicon_Labs-if00"}) {
		t.Errorf("the next glance sees %q", got)
	}
}

// A directory that is not empty goes with its container, and with one that is gone.
func TestLiveIsSwept(t *testing.T) {
	for _, how := range []string{"removed", "swept", "made again"} {
		t.Run(how, func(t *testing.T) {
			l := newLive(t, ofMajor188(policy.DeviceSelector{Path: "/dev/ttyUSB*"}))
			mknod(t, l.root+"/dev/ttyUSB0", unix.S_IFCHR|0o660, 188, 0)
			must(t, l.Update())
			l.holds(t, "ttyUSB0 20660 188:0 100000:100007")
			switch how {
			case "removed":
				must(t, l.shadows.Remove("c1"))
			case "swept":
				removed, err := l.shadows.Sweep(func(string) bool { return false })
				if must(t, err); !slices.Equal(removed, []string{"c1"}) {
					t.Error(removed)
				}
			default:
				must(t, l.shadows.Create("c1", 100000, nil, l.dirs...))
				l.holds(t)
				return
			}
			if _, err := os.Stat(l.root + testDir + "/c1"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("left: %v", err)
			}
		})
	}
}

// A link in /dev, or a file that is none of the profile's devices, lies where a live
// directory looks. It gets no node.
func TestAttackLiveLinks(t *testing.T) {
	l := newLive(t, ofMajor188(policy.DeviceSelector{Path: "/dev/serial/by-id/usb-*"}))
	mknod(t, l.root+"/dev/ttyUSB0", unix.S_IFCHR|0o660, 188, 0)
	mknod(t, l.root+"/dev/sda", unix.S_IFBLK|0o660, 8, 0)
	mknod(t, l.root+"/dev/mem", unix.S_IFCHR|0o600, 1, 1)
	mknod(t, l.root+"/etc/node", unix.S_IFCHR|0o666, 188, 7)
	at := l.root + "/dev/serial/by-id/"
	symlink(t, "../../ttyUSB0", at+"usb-a b\\x2f\"$(x)\xff")
	symlink(t, "../../sda", at+"usb-disk")
	symlink(t, "../../mem", at+"usb-memory")
	err := l.Update()
	if err == nil || !strings.Contains(err.Error(), `"/dev/serial/by-id/usb-disk" is b 8:0, which its container may not open`) || !strings.Contains(err.Error(), "is c 1:1") {
		t.Errorf("told: %v", err)
	}
	l.holds(t, "usb-a b\\x2f\"$(x)\xff 20660 188:0 100000:100007")
	// A link out of /dev takes all away: the profile's glob finds what cannot be meant.
	symlink(t, "/etc/node", at+"usb-outside")
	if err := l.Update(); err == nil || !strings.Contains(err.Error(), "leaves /dev") {
		t.Errorf("told: %v", err)
	}
	l.holds(t)
	must(t, os.Remove(at+"usb-outside"))
	// A directory in its place is not followed.
	must(t, os.RemoveAll(l.at))
	symlink(t, "/etc", l.at)
	if err := l.Update(); err == nil {
		t.Error("a link in the place of the directory was followed")
	}
	if _, err := os.Lstat(l.root + "/etc/usb-a"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// A process holds a node by its path until the device is gone and its number is another
// device's. It cannot open the node any more.
func TestAttackLiveStaleNode(t *testing.T) {
	mode := fs.FileMode(0o666)
	d := policy.LiveDevices{Select: policy.DeviceSelector{Path: "/dev/ttyUSB*"}, Majors: []int64{188}, Mode: &mode, UID: 100000, GID: 100000}
	l := newLive(t, d)
	mknod(t, l.root+"/dev/ttyUSB0", unix.S_IFCHR|0o660, 188, 0)
	must(t, l.Update())
	held, err := unix.Open(l.at+"/ttyUSB0", unix.O_PATH, 0)
	must(t, err)
	defer closeFD(held)
	must(t, os.Remove(l.root+"/dev/ttyUSB0"))
	must(t, l.Update())
	var st unix.Stat_t
	must(t, unix.Fstat(held, &st))
	if st.Mode&0o7777 != 0 || st.Uid != 0 || st.Gid != 0 {
		t.Errorf("a node that is gone: mode %04o, owner %d:%d, want 0000 and the node's root", st.Mode&0o7777, st.Uid, st.Gid)
	}
	// As the container's root, whose capabilities do not reach a file of an id that is
	// not mapped.
	if err := openAs(t, 100000, descriptorPath(held)); !errors.Is(err, unix.EACCES) {
		t.Errorf("opening it: %v, want EACCES", err)
	}
}

// openAs opens a file as another uid on this thread.
func openAs(t *testing.T, uid int, at string) error {
	t.Helper()
	_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0))
	if errno != 0 {
		t.Fatal(errno)
	}
	fd, err := unix.Open(at, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	_, _, errno = unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 0, ^uintptr(0))
	if errno != 0 {
		t.Fatal(errno)
	}
	if err == nil {
		closeFD(fd)
	}
	return err
}

// Twenty plugs and unplugs a second are followed within 100 ms. Of 80, four may take longer:
// other programs run on the machine.
func TestWatchDevices(t *testing.T) {
	l := newLive(t, ofMajor188(adapter))
	w, err := l.host.WatchDevices()
	must(t, err)
	u := usbSerial{port: "1-1", vendor: "10c4", product: "ea60", name: "ttyUSB0"}
	var took []time.Duration
	// follow waits until the directory has a node of the number, or none for -1.
	follow := func(want string) {
		t.Helper()
		began := time.Now()
		for got := ""; ; {
			if got = look(l.at + "/" + u.name); strings.Contains(got, want) {
				break
			}
			select {
			case <-w.Changed():
				must(t, l.Update())
			case <-time.After(time.Minute):
				t.Fatalf("nothing was told: the node is %q, want %q", got, want)
			}
		}
		took = append(took, time.Since(began))
	}
	for i := range 40 {
		u.minor = uint32(i % 3)
		u.plug(t, l.root)
		follow(fmt.Sprintf(" 188:%d ", u.minor))
		u.unplug(t, l.root)
		follow(unix.ENOENT.Error())
		time.Sleep(50 * time.Millisecond)
	}
	slices.Sort(took)
	if took[75] > 100*time.Millisecond {
		t.Errorf("the slowest five of 80 took %s", took[75:])
	}
	t.Logf("the slowest of 80 took %s", took[79])

	// In a directory that came later, too; and nothing that is written to devices.
	for len(w.Changed()) > 0 {
		<-w.Changed()
	}
	mkdir(t, l.root+"/dev/bus/usb/001")
	time.Sleep(20 * time.Millisecond)
	for len(w.Changed()) > 0 {
		<-w.Changed()
	}
	mknod(t, l.root+"/dev/bus/usb/001/005", unix.S_IFCHR|0o664, 189, 4)
	select {
	case <-w.Changed():
	case <-time.After(5 * time.Second):
		t.Error("nothing was told of a new directory's device")
	}
	w.Close()
	for range w.Changed() { // and that ends
	}
}

// The agent's own capabilities are enough, also to take away what is another id's.
func TestLiveWithFewCapabilities(t *testing.T) {
	l := newLive(t, ofMajor188(adapter))
	keepCapabilities(t, unix.CAP_MKNOD, unix.CAP_CHOWN, unix.CAP_FOWNER)
	u := usbSerial{port: "1-1", vendor: "10c4", product: "ea60", name: "ttyUSB0"}
	for minor := range uint32(2) {
		u.minor = minor
		u.plug(t, l.root)
		must(t, l.Update())
		l.holds(t, fmt.Sprintf("ttyUSB0 20660 188:%d 100000:100007", minor))
		u.unplug(t, l.root)
		must(t, l.Update())
		l.holds(t)
	}
}
