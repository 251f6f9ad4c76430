// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// containerID is what containerd takes for one.
var containerID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,75}$`)

// container is one that containerd has, as its shim keeps it.
type container struct {
	id, pod string // pod is namespace/name, or ""
	program string // its OCI runtime, or "" for the default
	ending  bool   // its process is gone, and its files are about to go
}

// containers returns what containerd has. Shims keep the name of the OCI runtime, which
// containerd calls to stop and remove a container, beside each one's files.
//
// Any process of a pod can look like a shim, so the files may be anybody's. Shims of a
// node within this one, to which wrapper is another file, are left out.
func (t Tree) containers(state, wrapper string) []container {
	var all []container
	look := func(folder string) {
		entries, _ := os.ReadDir(folder) // what cannot be read is not there, or no shim's
		for _, e := range entries {
			known := func(c container) bool { return c.id == e.Name() }
			if !containerID.MatchString(e.Name()) || slices.ContainsFunc(all, known) {
				continue
			}
			bundle := folder + "/" + e.Name() // joining it would go up by name
			all = append(all, container{e.Name(), podIn(bundle + "/config.json"), small(bundle+"/runtime", unix.PathMax), t.ended(bundle + "/init.pid")})
		}
	}
	for _, state := range t.states(state) {
		spaces, _ := filepath.Glob(filepath.Join(t.root, state, "io.containerd.runtime.v2.task", "*"))
		for _, folder := range spaces {
			look(folder)
		}
	}
	// A shim's working directory is its first container's. To see it takes root with all
	// of the shim's capabilities.
	ours, err := os.Stat(filepath.Join(t.root, wrapper))
	for _, shim := range t.shims() {
		theirs, unseen := os.Stat(shim.proc + "/root" + wrapper)
		if err != nil || unseen != nil || os.SameFile(ours, theirs) {
			look(shim.proc + "/cwd/..")
		}
	}
	all = append(all, t.monitored()...)
	slices.SortFunc(all, func(a, b container) int { return strings.Compare(a.id, b.id) })
	return all
}

// shim is a process that calls itself one.
type shim struct {
	proc string
	args []string
}

func (t Tree) shims() (all []shim) {
	procs, _ := filepath.Glob(filepath.Join(t.root, "proc/[0-9]*"))
	for _, proc := range procs {
		args := strings.Split(string(begins(filepath.Join(proc, "cmdline"))), "\x00")
		if strings.HasPrefix(path.Base(args[0]), "containerd-shim-") {
			all = append(all, shim{proc, args})
		}
	}
	return all
}

// states are where containerd's state may be: as its configuration says, and, since its
// command line has the last word, beside the socket that shims are told of.
func (t Tree) states(configured string) []string {
	all := []string{configured}
	for _, shim := range t.shims() {
		i := slices.Index(shim.args, "-address")
		if i < 0 || i+1 >= len(shim.args) || !path.IsAbs(shim.args[i+1]) {
			continue
		}
		if folder := path.Dir(shim.args[i+1]); !slices.Contains(all, folder) && !strings.ContainsAny(folder, `*?[\`) {
			all = append(all, folder)
		}
	}
	return all
}

// ended reports whether the process that a file names is gone. One that is not known may
// be about to come.
func (t Tree) ended(name string) bool {
	pid, err := strconv.Atoi(strings.TrimSpace(small(name, 16)))
	if err != nil || pid <= 0 {
		return false
	}
	stat, err := os.ReadFile(filepath.Join(t.root, "proc", strconv.Itoa(pid), "stat"))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Join(t.root, "proc/self")) // without it nothing is seen
		return err == nil || !errors.Is(err, fs.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(state, "Z")
}

// podIn reads which pod a bundle is of; "" where that is not told.
func podIn(name string) string {
	var spec struct {
		Annotations map[string]string `json:"annotations"`
	}
	_ = json.Unmarshal([]byte(small(name, 4<<20)), &spec) // nobody's bundle, then
	namespace, pod := spec.Annotations["io.kubernetes.cri.sandbox-namespace"], spec.Annotations["io.kubernetes.cri.sandbox-name"]
	if namespace == "" { // CRI-O's
		namespace, pod = spec.Annotations["io.kubernetes.pod.namespace"], spec.Annotations["io.kubernetes.pod.name"]
	}
	if !namespaceName.MatchString(namespace) || !containerID.MatchString(pod) {
		return ""
	}
	return namespace + "/" + pod
}

// small reads the beginning of a file; "" for one that is not regular, at which reading
// might wait or never end.
func small(name string, limit int64) string {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	at := os.NewFile(uintptr(fd), name)
	defer func() { _ = at.Close() }()
	if info, err := at.Stat(); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd)) // the one that was looked at
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, limit))
	return string(text)
}
