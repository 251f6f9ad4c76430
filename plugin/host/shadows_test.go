// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

const testDir = "/dev/.udev/nodegate"

// shadow returns the shadow node <dir>/<id>/<n>, a copy of /dev/null.
func shadow(dir, id string, n int) policy.ShadowNode {
	return policy.ShadowNode{Path: path.Join(dir, id, strconv.Itoa(n)), Type: "c", Major: 1, Minor: 3,
		Mode: 0o600, UID: 100000, GID: 100001}
}

// look writes what is at a path: type, numbers, mode and owner.
func look(at string) string {
	var st unix.Stat_t
	if err := unix.Lstat(at, &st); err != nil {
		return err.Error()
	}
	return show(&st)
}

// lookTwice returns the second look at one and the same node. The kernel takes no lock
// for stat(2): it may read the owner, then the node is finished, then it reads the mode.
func lookTwice(at string) string {
	fd, err := unix.Open(at, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err.Error()
	}
	defer closeFD(fd)
	var first, second unix.Stat_t
	if err := errors.Join(unix.Fstat(fd, &first), unix.Fstat(fd, &second)); err != nil {
		return err.Error()
	}
	if !strings.HasPrefix(show(&first), "20000 ") {
		return show(&second)
	}
	return show(&first)
}

func show(st *unix.Stat_t) string {
	return fmt.Sprintf("%o %d:%d %d:%d", st.Mode, unix.Major(wide(st.Rdev)), unix.Minor(wide(st.Rdev)), st.Uid, st.Gid)
}

func TestCreate(t *testing.T) {
	for _, umask := range []int{0, 0o22, 0o777} {
		t.Run(fmt.Sprintf("umask %04o", umask), func(t *testing.T) {
			root := fakeNode(t)
			unix.Umask(umask) // this thread's
			s := newShadows(t, root, testDir)
			block := policy.ShadowNode{Path: testDir + "/abc/1", Type: "b", Major: 259, Minor: 1<<20 - 1, Mode: 0o4 | 0o640, UID: 0, GID: math.MaxUint32 - 1}
			closed := shadow(testDir, "abc", 2)
			closed.Mode = 0
			must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0), block, closed}))
			for at, want := range map[string]string{
				"":       "40711 0:0 0:0",
				"/..":    "40711 0:0 0:0",
				"/abc":   "40710 0:0 0:100000",
				"/abc/0": "20600 1:3 100000:100001",
				"/abc/1": "60644 259:1048575 0:4294967294",
				"/abc/2": "20000 1:3 100000:100001",
				"/abc/3": unix.ENOENT.Error(),
			} {
				if got := look(root + testDir + at); got != want {
					t.Errorf("%q: got %s, want %s", at, got, want)
				}
			}
		})
	}
}

// A container's root, which is uid 100000 of the node, opens its own shadow
// node through the directories above it and through a bind mount of its own,
// and no other.
func TestCreateForAUserNamespace(t *testing.T) {
	dir := realDev(t)
	s := newShadows(t, "/", dir)
	mine, other := shadow(dir, "mine", 0), shadow(dir, "other", 0)
	mine.GID, other.UID = 100000, 200000
	must(t, s.Create("mine", 100000, []policy.ShadowNode{mine}))
	must(t, s.Create("other", 200000, []policy.ShadowNode{other}))
	for _, c := range []struct {
		script string
		opens  bool
	}{
		{"cat " + mine.Path, true},
		{"cat " + other.Path, false},
		{"stat -c %u:%g:%a " + mine.Path + " | grep -x 0:0:600", true},
		{"mount --bind " + mine.Path + " /dev/zero && cat /dev/zero", true},
		{"ls " + dir, false},
		{"touch " + dir + "/mine/1", false},
		{"rm -f " + mine.Path, false},
	} {
		child := exec.Command("/bin/sh", "-c", c.script)
		ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
		child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: ids, GidMappings: ids, Credential: &syscall.Credential{}}
		out, err := child.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			cannot(t, fmt.Sprintf("starting a process in a user namespace: %s", err))
		}
		if (err == nil) != c.opens {
			t.Errorf("%s: %v %s, want success %v", c.script, err, out, c.opens)
		}
	}
	must(t, s.Remove("mine"))
	must(t, s.Remove("other"))
	s.Close()
	if got := look(dir); got != unix.ENOENT.Error() {
		t.Errorf("the empty shadow directory stays: %s", got)
	}
}

// The container's root changes the mode of its shadow node. Nobody else of the node can
// open it.
func TestAttackShadowMode(t *testing.T) {
	dir := realDev(t)
	s := newShadows(t, "/", dir)
	n := shadow(dir, "mine", 0)
	must(t, s.Create("mine", 100000, []policy.ShadowNode{n}))
	must(t, os.Chmod(n.Path, 0o666)) // as the container's root may, which owns it
	for name, who := range map[string]struct {
		uid, gid uint32
		opens    bool
	}{
		"nobody":                     {65534, 65534, false},
		"in root's group":            {1000, 0, false},
		"in the node's group":        {65534, 100001, false},
		"another container's root":   {200000, 200000, false},
		"its uid in another's group": {100000, 200000, false},
		"its own container's root":   {100000, 100000, true},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runAs(who.uid, who.gid, "cat "+n.Path)
			if (err == nil) != who.opens {
				t.Errorf("%v %s, want success %v", err, out, who.opens)
			}
		})
	}
	must(t, s.Remove("mine"))
}

// runAs runs a command of the shell as another user, without capabilities.
func runAs(uid, gid uint32, command string) (string, error) {
	child := exec.Command("/bin/sh", "-c", command)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, err := child.CombinedOutput()
	return string(out), err
}

// The container's root puts something in the place of its shadow nodes, or makes other
// names for them. It cannot: it owns the nodes alone.
func TestAttackShadowDirectory(t *testing.T) {
	dir := realDev(t)
	s := newShadows(t, "/", dir)
	mine, other := shadow(dir, "mine", 0), shadow(dir, "other", 0)
	other.UID, other.GID = 200000, 200000
	must(t, s.Create("mine", 100000, []policy.ShadowNode{mine}))
	must(t, s.Create("other", 200000, []policy.ShadowNode{other}))
	own, tmp := path.Dir(mine.Path), t.TempDir()
	must(t, os.Chmod(tmp, 0o777))
	all := func() string {
		text := ""
		for _, at := range []string{dir, own, mine.Path, path.Dir(other.Path), other.Path, own + "/1"} {
			text += look(at) + "\n"
		}
		return text
	}
	before := all()
	for name, command := range map[string]string{
		"a file beside it":            "touch " + own + "/1",
		"a link beside it":            "ln -s /dev/mem " + own + "/1",
		"a link in its place":         "ln -sf /dev/mem " + mine.Path,
		"a second name beside it":     "ln " + mine.Path + " " + own + "/1",
		"a second name elsewhere":     "ln " + mine.Path + " /dev/shm/nodegate-evil",
		"another name":                "mv " + mine.Path + " " + own + "/1",
		"its removal":                 "rm -f " + mine.Path,
		"a directory beside it":       "mkdir " + own + "/1",
		"a device beside it":          "mknod " + own + "/1 c 1 1",
		"the directory's mode":        "chmod 0777 " + own,
		"the directory's owner":       "chown 100000 " + own,
		"the node for another":        "chown 200000 " + mine.Path,
		"the directory's removal":     "rm -rf " + own,
		"the directory's other name":  "mv " + own + " " + dir + "/evil",
		"what is in the directory":    "ls " + own,
		"which containers there are":  "ls " + dir,
		"another container's node":    "cat " + other.Path,
		"a way out and in":            "cat " + own + "/../other/0",
		"another container's, listed": "ls " + path.Dir(other.Path),
		"a link from elsewhere":       "ln -s " + other.Path + " " + tmp + "/link && cat " + tmp + "/link",
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := runAs(100000, 100000, command); err == nil {
				t.Errorf("%s succeeds: %s", command, out)
			}
			if got := all(); got != before {
				t.Errorf("%s leaves\n%swant\n%s", command, got, before)
			}
		})
	}
	must(t, s.Remove("mine"))
	must(t, s.Remove("other"))
}

func TestCreateRefuses(t *testing.T) {
	s := newShadows(t, fakeNode(t), testDir)
	change := func(f func(*policy.ShadowNode)) policy.ShadowNode {
		n := shadow(testDir, "abc", 0)
		f(&n)
		return n
	}
	for _, c := range []struct {
		id   string
		node policy.ShadowNode
		want string
	}{
		{"", shadow(testDir, "", 0), "not a container id"},
		{".", shadow(testDir, ".", 0), "not a container id"},
		{"..", shadow(testDir, "..", 0), "not a container id"},
		{"a/b", shadow(testDir, "a/b", 0), "not a container id"},
		{"../x", shadow(testDir, "../x", 0), "not a container id"},
		{".probe-1", shadow(testDir, ".probe-1", 0), "not a container id"},
		{"a\x00", shadow(testDir, "a\x00", 0), "not a container id"},
		{strings.Repeat("a", 201), shadow(testDir, strings.Repeat("a", 201), 0), "not a container id"},
		{"abc", shadow("/dev/.udev", "abc", 0), "it is not in"},
		{"abc", shadow(testDir, "other", 0), "it is not in"},
		{"abc", change(func(n *policy.ShadowNode) { n.Path = testDir + "/abc" }), "it is not in"},
		{"abc", change(func(n *policy.ShadowNode) { n.Path = testDir + "/abc/../abc/0" }), "it is not in"},
		{"abc", change(func(n *policy.ShadowNode) { n.Path = testDir + "/abc/.." }), "it is not in"},
		{"abc", change(func(n *policy.ShadowNode) { n.Path = testDir + "/abc/x/0" }), "it is not in"},
		{"abc", change(func(n *policy.ShadowNode) { n.Path = "" }), "it is not in"},
		{"abc", change(func(n *policy.ShadowNode) { n.Type = "p" }), "neither"},
		{"abc", change(func(n *policy.ShadowNode) { n.Major = 1 << 12 }), "out of range"},
		{"abc", change(func(n *policy.ShadowNode) { n.Minor = 1<<32 + 3 }), "out of range"},
		{"abc", change(func(n *policy.ShadowNode) { n.Minor = -1 }), "out of range"},
		{"abc", change(func(n *policy.ShadowNode) { n.Mode = fs.ModeSetuid | 0o755 }), "permission bits"},
		{"abc", change(func(n *policy.ShadowNode) { n.UID = math.MaxUint32 }), "is not a valid id"},
		{"abc", change(func(n *policy.ShadowNode) { n.GID = math.MaxUint32 }), "is not a valid id"},
	} {
		if err := s.Create(c.id, 100000, []policy.ShadowNode{c.node}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %+v: got %v, want %q", c.id, c.node, err, c.want)
		}
		if c.want == "not a container id" && s.Remove(c.id) == nil {
			t.Errorf("%q can be removed", c.id)
		}
	}
	if got := look(s.root + testDir); got != unix.ENOENT.Error() {
		t.Errorf("a refusal leaves %s", got)
	}
}

// All or nothing: the file system is full after some of the nodes.
func TestCreateOnAFullFileSystem(t *testing.T) {
	ownThread(t)
	root := t.TempDir()
	mkdir(t, root+"/dev")
	mount(t, "tmpfs", root+"/dev", 0, "mode=755,nr_inodes=8")
	s := newShadows(t, root, testDir)
	var nodes []policy.ShadowNode
	for i := range 20 {
		nodes = append(nodes, shadow(testDir, "abc", i))
	}
	err := s.Create("abc", 100000, nodes)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v, want ENOSPC", err)
	}
	if got := look(root + testDir + "/abc"); got != unix.ENOENT.Error() {
		t.Errorf("half of it stays: %s", got)
	}
	must(t, s.Create("abc", 100000, nodes[:2]))
}

// Whatever an agent that died has left is replaced, and nothing outside is
// touched.
func TestCreateReplacesLeftovers(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, at, outside string){
		"half made": func(t *testing.T, at, _ string) {
			mknod(t, at+"/0", unix.S_IFCHR, 1, 5)
			mknod(t, at+"/7", unix.S_IFCHR|0o666, 1, 5)
		},
		"a file":                  func(t *testing.T, at, _ string) { must(t, os.WriteFile(at, nil, 0o600)) },
		"a link":                  func(t *testing.T, at, outside string) { symlink(t, outside, at) },
		"a link for a node":       func(t *testing.T, at, outside string) { symlink(t, outside+"/keep", at+"/0") },
		"a dangling link for one": func(t *testing.T, at, outside string) { symlink(t, outside+"/gone", at+"/0") },
	} {
		t.Run(name, func(t *testing.T) {
			root := fakeNode(t)
			s := newShadows(t, root, testDir)
			outside := t.TempDir()
			must(t, os.WriteFile(outside+"/keep", nil, 0o640))
			mkdir(t, root+testDir)
			leave(t, root+testDir+"/abc", outside)
			must(t, s.Create("abc", 100000, []policy.ShadowNode{shadow(testDir, "abc", 0)}))
			if got, want := look(root+testDir+"/abc/0"), "20600 1:3 100000:100001"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if entries, err := os.ReadDir(root + testDir + "/abc"); len(entries) != 1 || err != nil {
				t.Errorf("left: %v %v", entries, err)
			}
			if got, want := look(outside+"/keep"), "100640 0:0 0:0"; got != want {
				t.Errorf("outside: got %s, want %s", got, want)
			}
			must(t, s.Remove("abc"))
			must(t, s.Remove("abc"))
		})
	}
}

// Whoever looks at a node while it is made sees it closed, or finished.
func TestCreateIsNeverWider(t *testing.T) {
	dir := realDev(t)
	s := newShadows(t, "/", dir)
	n := shadow(dir, "abc", 0)
	n.Mode = 0o666
	seen := map[string]bool{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				seen[lookTwice(n.Path)] = true
			}
		}
	}()
	for range 2000 {
		must(t, s.Create("abc", 100000, []policy.ShadowNode{n}))
	}
	close(stop)
	<-done
	for what := range seen {
		// Closed, whoever owns it: stat(2) may meet a chown(2) half way.
		closed := strings.HasPrefix(what, "20000 1:3 ") || what == unix.ENOENT.Error()
		if !closed && what != "20666 1:3 100000:100001" {
			t.Errorf("seen: %s", what)
		}
	}
}

// Two agents work in one directory during a rolling update. One that finds it
// empty may remove it under the other.
func TestCreateBesideAnotherAgent(t *testing.T) {
	dir := realDev(t)
	one, other := newShadows(t, "/", dir), newShadows(t, "/", dir)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := other.Sweep(func(string) bool { return true }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 2000 {
		id := "c" + strconv.Itoa(i)
		n := shadow(dir, id, 0)
		if err := one.Create(id, 100000, []policy.ShadowNode{n}); err != nil {
			t.Error(err)
			break
		}
		if got, want := look(n.Path), "20600 1:3 100000:100001"; got != want {
			t.Errorf("got %s, want %s", got, want)
			break
		}
		must(t, one.Remove(id))
	}
	close(stop)
	wg.Wait()
}
