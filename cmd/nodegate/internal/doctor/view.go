// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/host"
)

// commandLimit bounds a program that is asked something.
const commandLimit = 10 * time.Second

// view is the node's files as containerd sees them, and its PATH.
type view struct {
	root string // "/", or where they are seen
	host *host.Host
	path string
}

// defaultPath is where a program is looked for if containerd's PATH is not told.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// seenBy returns the view of a process, or of the node.
func (g *gatherer) seenBy(pid int) view {
	v := view{root: g.config.State.HostRoot, host: g.node, path: defaultPath}
	if pid == 0 {
		return v
	}
	proc := "/proc/" + strconv.Itoa(pid)
	if env, err := os.ReadFile(proc + "/environ"); err == nil {
		for entry := range strings.SplitSeq(string(env), "\x00") {
			if value, ok := strings.CutPrefix(entry, "PATH="); ok {
				v.path = value
			}
		}
	}
	own, err1 := os.Readlink("/proc/self/ns/mnt")
	its, err2 := os.Readlink(proc + "/ns/mnt")
	if err1 != nil || err2 != nil || own == its {
		return v
	}
	if h, err := host.New(proc+"/root", g.config.State.ShadowDir); err == nil {
		v.root, v.host = proc+"/root", h
	}
	return v
}

func (v view) close() {
	if strings.HasPrefix(v.root, "/proc/") {
		_ = v.host.Close()
	}
}

// find returns the path of a program: one that is given, or the first of that
// name in containerd's PATH.
func (v view) find(name string) (string, error) {
	if path.IsAbs(name) {
		return name, v.executable(name)
	}
	for dir := range strings.SplitSeq(v.path, ":") {
		if file := path.Join(dir, name); path.IsAbs(dir) && v.executable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no program %q in PATH (%s): %w", name, v.path, fs.ErrNotExist)
}

func (v view) executable(file string) error {
	f, err := v.host.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("%q is not a program", file)
	}
	return nil
}

// run runs a program of the node and returns what it prints. name is what it
// is called by; "" for its path.
func (v view) run(ctx context.Context, file, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	if name == "" {
		name = file
	}
	cmd := exec.CommandContext(ctx, file)
	cmd.Args = append([]string{name}, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + v.path}
	if v.root != "/" {
		// The program and its libraries, as they are there.
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: v.root}
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		text := strings.TrimSpace(string(exit.Stderr))
		return out, fmt.Errorf("%s: %w: %s", strings.Join(append([]string{file}, args...), " "), err, text)
	case errors.Is(err, unix.EPERM) && v.root != "/":
		return out, fmt.Errorf("running %s of the node requires CAP_SYS_CHROOT: run doctor on the node itself", file)
	}
	return out, err
}
