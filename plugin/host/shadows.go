// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Shadows keeps the node's shadow nodes: <shadow dir>/<container id>/<n>.
//
// A runtime binds them into a container by their path, from within its user
// namespace, so every directory above them lets others pass (0711) but not
// look. Nobody but root can write in those directories, and each level is
// opened by its descriptor without following links.
//
// It is safe for concurrent use, also by two agents at once; but of one
// container id only one call at a time.
type Shadows struct {
	root   string   // host_root
	dir    string   // shadow_dir, a path of the node
	levels []string // its components
	label  string   // SELinux label of new nodes, "" for none
}

// maxTries bounds how often something is started again because another agent
// was at work in the directory.
const maxTries = 100

// NewShadows makes the keeper of a shadow directory, an absolute path of the
// node whose files are seen under root. It tries out whether device nodes work
// there and returns a [*ShadowDirError] if not; it leaves nothing behind.
func NewShadows(root, dir string) (*Shadows, error) {
	if !path.IsAbs(root) {
		return nil, fmt.Errorf("host_root %q: write an absolute path", root)
	}
	if !path.IsAbs(dir) || path.Clean(dir) != dir || dir == "/" {
		return nil, fmt.Errorf("shadow_dir %q: write an absolute path, without . and .., of a directory", dir)
	}
	s := &Shadows{root: root, dir: dir, levels: strings.Split(dir[1:], "/"), label: shadowLabel(root)}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// Create makes the shadow nodes of a container: all of them or none. What is
// left from another attempt for the same container is replaced. group is the
// host's gid of the container's root: nobody else passes to the nodes, whatever
// their mode becomes in the container.
// live are its live directories, which are made empty.
func (s *Shadows) Create(containerID string, group uint32, nodes []policy.ShadowNode, live ...policy.LiveDirectory) error {
	if len(nodes)+len(live) == 0 {
		return nil
	}
	if err := checkID(containerID); err != nil {
		return fmt.Errorf("making shadow nodes: %w", err)
	}
	if group == math.MaxUint32 {
		return errors.New("making shadow nodes: gid 4294967295 is not a valid id")
	}
	for i := range nodes {
		if err := s.checkNode(containerID, &nodes[i]); err != nil {
			return fmt.Errorf("making shadow node %q: %w", nodes[i].Path, err)
		}
	}
	for i := range live {
		if name := path.Base(live[i].Path); live[i].Path != s.dir+"/"+containerID+"/"+name || checkID(name) != nil || !strings.HasPrefix(name, livePrefix) {
			return fmt.Errorf("making live directory %q: it is not in %q", live[i].Path, s.dir+"/"+containerID)
		}
	}
	var err error
	for range maxTries {
		if err = s.create(containerID, group, nodes, live); !raced(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("making the shadow nodes of container %q: %w", containerID, err)
	}
	return nil
}

// raced reports whether an error may come from another agent that works in the
// directory: it removed one that was still empty, or sweeps, or still makes
// nodes for a container that the runtime has given to this one since.
func raced(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENOTEMPTY)
}

func (s *Shadows) create(id string, group uint32, nodes []policy.ShadowNode, live []policy.LiveDirectory) (err error) {
	parent, err := s.open(len(s.levels), true)
	if err != nil {
		return err
	}
	defer closeFD(parent)
	if err := removeTree(parent, id); err != nil {
		return fmt.Errorf("removing what was left: %w", err)
	}
	dir, err := makeDir(parent, id, group, containerDirMode)
	if err != nil {
		return err
	}
	defer closeFD(dir)
	for i := range nodes {
		err = errors.Join(err, makeNode(dir, &nodes[i], s.label))
	}
	for i := range live {
		err = errors.Join(err, s.makeLive(dir, path.Base(live[i].Path)))
	}
	if err != nil {
		// By descriptor, so that only what was made here goes.
		return errors.Join(err, removeEntries(dir), ignoreGone(unix.Unlinkat(parent, id, unix.AT_REMOVEDIR)))
	}
	return nil
}

// Remove removes a container's shadow nodes. That there are none is no error.
// It must not be called while the container lives: what runs in there may bind its
// nodes again. The container's own bind stays, with a link count of 0.
func (s *Shadows) Remove(containerID string) error {
	if err := checkID(containerID); err != nil {
		return fmt.Errorf("removing shadow nodes: %w", err)
	}
	parent, err := s.open(len(s.levels), false)
	if err == nil {
		defer closeFD(parent)
		err = removeTree(parent, containerID)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("removing the shadow nodes of container %q: %w", containerID, err)
	}
	return nil
}

// checkNode refuses a node that is elsewhere than this container's, and
// numbers that the system calls would take for others.
func (s *Shadows) checkNode(id string, n *policy.ShadowNode) error {
	name := path.Base(n.Path)
	switch {
	case n.Path != s.dir+"/"+id+"/"+name || checkID(name) != nil:
		return fmt.Errorf("it is not in %q", s.dir+"/"+id)
	case n.Type != "c" && n.Type != "b":
		return fmt.Errorf(`device type %q is neither "c" nor "b"`, n.Type)
	case n.Major < 0 || n.Major >= 1<<12 || n.Minor < 0 || n.Minor >= 1<<20:
		// dev_t has 12 and 20 bits; mknod(2) would drop the rest.
		return fmt.Errorf("device number %d:%d is out of range", n.Major, n.Minor)
	case n.Mode&^fs.ModePerm != 0:
		return fmt.Errorf("mode %v has more than permission bits", n.Mode)
	case n.UID == math.MaxUint32 || n.GID == math.MaxUint32:
		return errors.New("id 4294967295 is not a valid id: chown(2) would leave root as the owner")
	}
	return nil
}

// checkID makes sure that a name stays one: letters, digits, ".", "_" and "-",
// beginning with none of the latter three. Every runtime's ids are such.
func checkID(id string) error {
	for i, r := range id {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		case i > 0 && (r == '.' || r == '_' || r == '-'):
		default:
			return fmt.Errorf("%q is not a container id", id)
		}
	}
	if id == "" || len(id) > 200 {
		return fmt.Errorf("%q is not a container id", id)
	}
	return nil
}
