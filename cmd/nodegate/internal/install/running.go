// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/containerd"
)

// unitFolders are where units lie, the first one wins.
var unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// asStarted corrects a layout by how the node's containerd is started: by its unit, and by
// the process that runs. Where the two name different files, either could be meant.
func (t Tree) asStarted(l *Layout) error {
	process := t.process(l.units)
	for _, name := range l.units {
		unit, err := t.service(name)
		if err != nil {
			return fmt.Errorf("%s.service, which runs containerd: %w: say which file it reads by --config", name, err)
		}
		if unit == nil {
			continue
		}
		if process != nil && configOf(process) != configOf(unit) {
			return fmt.Errorf("containerd runs with %s, and %s.service starts it with %s: restart it, or say by --config which it is", configOf(process), name, configOf(unit))
		}
		process = unit
		break
	}
	if process == nil {
		return nil
	}
	l.config = configOf(process)
	if state := process.Option("state", ""); path.IsAbs(state) {
		l.state = path.Clean(state)
	}
	if socket := process.Option("address", "a"); path.IsAbs(socket) {
		l.socket = path.Clean(socket)
	}
	if path.IsAbs(process.Name) && !slices.Contains(l.programs, process.Name) {
		l.programs = append([]string{path.Clean(process.Name)}, l.programs...)
	}
	return nil
}

func configOf(c *containerd.CommandLine) string {
	if file := c.Option("config", "c"); file != "" {
		return path.Join("/", file)
	}
	return containerd.DefaultConfig
}

// service reads how a unit starts containerd; nil if there is no such unit, or it starts
// something else.
func (t Tree) service(name string) (*containerd.CommandLine, error) {
	var texts []string
	dropIns := map[string]string{} // name → path
	for _, folder := range unitFolders {
		if f, err := t.follow(path.Join(folder, name+".service")); err != nil {
			return nil, err
		} else if f != nil && len(texts) == 0 {
			texts = append(texts, string(f.Data))
		}
		dir := path.Join(folder, name+".service.d")
		names, err := t.list(dir)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if _, has := dropIns[n]; !has && strings.HasSuffix(n, ".conf") {
				dropIns[n] = path.Join(dir, n)
			}
		}
	}
	if len(texts) == 0 {
		return nil, nil
	}
	for _, n := range slices.Sorted(maps.Keys(dropIns)) {
		f, err := t.follow(dropIns[n])
		if err != nil {
			return nil, err
		}
		if f != nil {
			texts = append(texts, string(f.Data))
		}
	}
	s, err := containerd.ParseService(texts...)
	if err != nil {
		return nil, err
	}
	for _, name := range s.Files {
		// What is not there sets nothing: on most machines some are not.
		if f, err := t.follow(name); err != nil {
			return nil, err
		} else if f != nil {
			s.ParseEnvironment(string(f.Data))
		}
	}
	return s.Command()
}

// process is the command line of the containerd that runs in one of the units; nil if none
// is seen, or it has overwritten its title. Anybody can call a process so; a pod's is
// never init's child, which what a unit starts is, nor root's on the node.
func (t Tree) process(units []string) *containerd.CommandLine {
	procs, _ := filepath.Glob(filepath.Join(t.root, "proc/[0-9]*"))
	for _, proc := range procs {
		line := containerd.ParseCommandLine(begins(proc + "/cmdline"))
		if path.Base(line.Name) != "containerd" || line.Overwritten || !ofInit(proc) {
			continue
		}
		for cgroup := range strings.Lines(string(begins(proc + "/cgroup"))) {
			if slices.Contains(units, strings.TrimSuffix(path.Base(strings.TrimSpace(cgroup)), ".service")) {
				return &line
			}
		}
	}
	return nil
}

// ofInit reports whether a process is root's, and a child of process 1.
func ofInit(proc string) bool {
	info, err := os.Stat(proc)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	text := string(begins(proc + "/stat"))
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	return ok && ownUser(st.Uid) && len(fields) > 1 && fields[1] == "1"
}

// begins reads the beginning of a file of /proc, as far as it can be read.
func begins(name string) []byte {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	text, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	return text
}
