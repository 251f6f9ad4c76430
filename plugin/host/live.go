// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// liveDirMode lets every user of the container see the directory.
const liveDirMode = 0o755

// livePrefix begins the names of live directories in a container's own.
const livePrefix = "live-"

// nextName is where a node is made before it appears, in the container's directory of
// shadow nodes, which it does not see. The agent's pid follows: two may be at work.
const nextName = "next-"

// maxLive bounds the nodes of a live directory.
const maxLive = 512

// Live keeps live directories: in each a node for each device that matches now. It is
// safe for concurrent use.
type Live struct {
	host    *Host
	shadows *Shadows

	appeared, retired atomic.Uint64 // nodes, since the start

	mu  sync.Mutex
	all map[string][]policy.LiveDirectory // by container id
}

// NewLive makes the keeper of live directories in a shadow directory.
func NewLive(h *Host, s *Shadows) *Live {
	return &Live{host: h, shadows: s, all: map[string][]policy.LiveDirectory{}}
}

// Keep fills a container's directories, which exist, and keeps them from now on.
func (l *Live) Keep(containerID string, dirs []policy.LiveDirectory) error {
	if len(dirs) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[containerID] = dirs
	return l.update(containerID, &glance{host: l.host})
}

// Replace keeps these directories and no others: what the agent before this one kept.
func (l *Live) Replace(all map[string][]policy.LiveDirectory) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = all
}

// Forget keeps a container's directories no more.
func (l *Live) Forget(containerID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, containerID)
}

// Update brings all directories up to date with /dev. It goes on after an error.
func (l *Live) Update() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var problems []error
	now := &glance{host: l.host}
	for id := range l.all {
		problems = append(problems, l.update(id, now))
	}
	return errors.Join(problems...)
}

// Counts tells how many nodes have appeared in live directories, and how many were taken
// out of them, since the start.
func (l *Live) Counts() (appeared, retired uint64) { return l.appeared.Load(), l.retired.Load() }

func (l *Live) update(id string, now *glance) error {
	parent, err := l.shadows.open(len(l.shadows.levels), false)
	if err != nil {
		return fmt.Errorf("live directories of container %q: %w", id, err)
	}
	defer closeFD(parent)
	home, err := openDir(parent, id)
	if errors.Is(err, unix.ENOENT) {
		return nil // the container has just gone
	}
	if err != nil {
		return fmt.Errorf("live directories of container %q: %w", id, err)
	}
	defer closeFD(home)
	var problems []error
	for i := range l.all[id] {
		want, err := now.wanted(&l.all[id][i])
		problems = append(problems, err, l.fill(home, path.Base(l.all[id][i].Path), want))
	}
	return errors.Join(problems...)
}

// glance is one look at the node's devices, for all containers: what was looked up once is
// not looked up again.
type glance struct {
	host  *Host
	found map[policy.DeviceSelector]policy.DeviceLookup
	links map[string]Links
}

func (g *glance) lookup(s policy.DeviceSelector) policy.DeviceLookup {
	look, ok := g.found[s]
	if ok {
		return look
	}
	look = g.host.LookupDevice(s)
	if g.found == nil {
		g.found = map[policy.DeviceSelector]policy.DeviceLookup{}
	}
	g.found[s] = look
	if s.USB != (policy.USB{}) && len(look.Nodes) > 0 && g.links == nil {
		g.links = g.host.Links()
	}
	return look
}

// wanted is what belongs in a directory now. Of two devices with one name the first has
// it.
func (g *glance) wanted(dir *policy.LiveDirectory) ([]policy.ShadowNode, error) {
	var out []policy.ShadowNode
	var problem error
	for i := range dir.Devices {
		d := &dir.Devices[i]
		look := g.lookup(d.Select)
		problem = errors.Join(problem, look.Err)
		for _, n := range look.Nodes {
			if n.Type != "c" || !slices.Contains(d.Majors, n.Major) {
				problem = errors.Join(problem, fmt.Errorf("%s is %s %d:%d, which its container may not open: delete the pod to have it recreated",
					policy.QuotePath(n.Path), n.Type, n.Major, n.Minor))
				continue
			}
			for _, name := range liveNames(d.Select, n, g.links) {
				have := slices.ContainsFunc(out, func(s policy.ShadowNode) bool { return s.Path == name })
				if !have && len(out) < maxLive {
					out = append(out, liveNode(d, n, name))
				}
			}
		}
	}
	return out, problem
}

// liveNames are a device's names in the directory: the one that the profile finds it
// by, and for a USB device udev's, which is the same at every port.
func liveNames(s policy.DeviceSelector, n policy.HostDevice, links map[string]Links) []string {
	names := []string{path.Base(n.Path)}
	if byID := links[n.Resolved].ByID; s.USB != (policy.USB{}) && byID != "" {
		names = append(names, path.Base(byID))
	}
	return names
}

func liveNode(d *policy.LiveDevices, n policy.HostDevice, name string) policy.ShadowNode {
	out := policy.ShadowNode{Path: name, Type: n.Type, Major: n.Major, Minor: n.Minor, Mode: n.Mode, UID: d.UID, GID: d.GID}
	if d.Mode != nil {
		out.Mode = *d.Mode
	}
	return out
}

// fill makes a directory hold these nodes and no others. What is old goes first: its
// number may be another device's by now.
func (l *Live) fill(home int, name string, want []policy.ShadowNode) error {
	dir, err := openDir(home, name)
	if err != nil {
		return ignoreGone(err)
	}
	defer closeFD(dir)
	have, err := namesIn(dir)
	problems := []error{err}
	for _, name := range have {
		i := slices.IndexFunc(want, func(n policy.ShadowNode) bool { return n.Path == name })
		if i >= 0 && isNode(dir, &want[i]) {
			want = slices.Delete(want, i, i+1)
			continue
		}
		problems = append(problems, counted(&l.retired, retire(dir, name)))
	}
	for i := range want {
		problems = append(problems, counted(&l.appeared, appear(home, dir, want[i], l.shadows.label)))
	}
	return errors.Join(problems...)
}

func counted(n *atomic.Uint64, err error) error {
	if err == nil {
		n.Add(1)
	}
	return err
}

// isNode reports whether a directory has the very node.
func isNode(dir int, n *policy.ShadowNode) bool {
	var st unix.Stat_t
	err := unix.Fstatat(dir, n.Path, &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && deviceType(st.Mode) == n.Type && wide(st.Rdev) == unix.Mkdev(uint32(n.Major), uint32(n.Minor)) &&
		fs.FileMode(st.Mode&0o777) == n.Mode.Perm() && st.Uid == n.UID && st.Gid == n.GID
}

// appear makes a node aside and renames it in, so that it has its owner and mode
// before the container sees it.
func appear(home, dir int, n policy.ShadowNode, label string) error {
	name := n.Path
	n.Path = fmt.Sprintf("%s%d", nextName, unix.Getpid())
	if err := ignoreGone(unix.Unlinkat(home, n.Path, 0)); err != nil {
		return err
	}
	if err := makeNode(home, &n, label); err != nil {
		return err
	}
	// Nothing is replaced: the node there, another agent's, would not be retired.
	err := unix.Renameat2(home, n.Path, dir, name, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EEXIST) {
		return ignoreGone(unix.Unlinkat(home, n.Path, 0))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("putting %q into a live directory: %w", name, err), ignoreGone(unix.Unlinkat(home, n.Path, 0)))
	}
	return nil
}

// retire takes a node away. Whoever holds it by a descriptor of its path (O_PATH) could
// open it again, and by then the number may be another device's. So it is closed to
// the container first: to the ids of a user namespace a file of the node's root, which
// is not mapped there, is as closed as its mode says, to their root as well.
func retire(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ignoreGone(err)
	}
	defer closeFD(fd)
	fail := func(op string, err error) error { return fmt.Errorf("%s %q of a live directory: %w", op, name, err) }
	if err := unix.Fchmodat(unix.AT_FDCWD, descriptorPath(fd), 0, 0); err != nil {
		return fail("closing", err)
	}
	if err := unix.Fchownat(fd, "", 0, 0, unix.AT_EMPTY_PATH); err != nil {
		return fail("closing", err)
	}
	if err := ignoreGone(unix.Unlinkat(dir, name, 0)); err != nil {
		return fail("removing", err)
	}
	return nil
}

// makeLive makes an empty live directory in a container's own.
func (s *Shadows) makeLive(home int, name string) error {
	fd, err := makeDir(home, name, 0, liveDirMode)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	if s.label == "" {
		return nil
	}
	if err := unix.Fsetxattr(fd, "security.selinux", append([]byte(s.label), 0), 0); err != nil {
		return fmt.Errorf("setting the SELinux label of live directory %q: %w", name, err)
	}
	return nil
}
