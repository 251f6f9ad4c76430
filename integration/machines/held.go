// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// held has a command end with this process, however that ends, and with it what it has
// mounted. The kernel kills it when the thread that started it is gone: this goroutine keeps
// its thread until release is called, once the command has ended.
func held(cmd *exec.Cmd) (release func()) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS}
	return runtime.UnlockOSThread
}

// output runs a held command, which ends with all its children, and has what it wrote in the
// error.
func output(cmd *exec.Cmd) error {
	defer held(cmd)()
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID // whose other processes end with the first
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}
