// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// misfits are what may lie where a file should, with a part of the error.
var misfits = map[string]struct {
	place func(t *testing.T, name string)
	want  string
}{
	"a FIFO":          {fifo, ": is a FIFO, not a regular file: write the policy into a regular file"},
	"/dev/zero":       {linkTo("/dev/zero"), ": is a device, not a regular file: write the policy into a regular file"},
	"a socket":        {socket, ": is a socket, not a regular file: write the policy into a regular file"},
	"a directory":     {func(t *testing.T, name string) { must(t, os.MkdirAll(name, 0o755)) }, ": is a directory, not a regular file: "},
	"a dangling link": {linkTo("nowhere"), ": is a link that leads nowhere, or has just gone: make the file"},
	"a loop":          {func(t *testing.T, name string) { linkTo(filepath.Base(name))(t, name) }, ": cannot be read, too many levels of symbolic links: make the link lead to a file"},
	"a large file":    {large, ": has more than 64 MiB: write the policy into a smaller file"},
}

func linkTo(target string) func(*testing.T, string) {
	return func(t *testing.T, name string) { must(t, os.Symlink(target, name)) }
}

func fifo(t *testing.T, name string) { must(t, unix.Mkfifo(name, 0o644)) }

func socket(t *testing.T, name string) {
	t.Chdir(filepath.Dir(name)) // the whole path may be too long for a socket
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer func() { _ = unix.Close(fd) }()
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(name)}))
}

func large(t *testing.T, name string) {
	put(t, name, "version = 1\n")
	must(t, os.Truncate(name, sizeLimit+1))
}

func TestMisfits(t *testing.T) {
	for what, misfit := range misfits {
		t.Run("main file "+what, func(t *testing.T) {
			main := filepath.Join(t.TempDir(), "config.toml")
			misfit.place(t, main)
			refused(t, main, main+misfit.want)
		})
		t.Run("drop-in "+what, func(t *testing.T) {
			dir := t.TempDir()
			main, drop := filepath.Join(dir, "config.toml"), filepath.Join(dir, "conf.d", "a.toml")
			put(t, main, "version = 1\n")
			must(t, os.Mkdir(filepath.Dir(drop), 0o755))
			misfit.place(t, drop)
			refused(t, main, drop+misfit.want)
		})
	}
}

func TestNoDropInDir(t *testing.T) {
	for what, place := range map[string]func(*testing.T, string){
		"file": func(t *testing.T, name string) { put(t, name, "") }, "FIFO": fifo,
	} {
		t.Run(what, func(t *testing.T) {
			main := filepath.Join(t.TempDir(), "config.toml")
			put(t, main, "version = 1\n")
			place(t, filepath.Join(filepath.Dir(main), "conf.d"))
			refused(t, main, "/conf.d: is not a directory: make a directory of it")
		})
	}
}

func TestEmptyName(t *testing.T) { refused(t, "", "is empty: write --config FILE") }

// TestGrowingFile reads a file that tells no size.
func TestGrowingFile(t *testing.T) {
	data, err := readFile("/proc/self/status", "")
	if err != nil || len(data) == 0 {
		t.Errorf("got %q, %v", data, err)
	}
}

// TestFileError tries what root cannot see, as it may read everything.
func TestFileError(t *testing.T) {
	err := fileError("a.toml", &fs.PathError{Op: "open", Path: "a.toml", Err: unix.EACCES})
	if !errors.Is(err, fs.ErrPermission) || !strings.HasPrefix(err.Error(), "a.toml: cannot be read, permission denied: let uid ") {
		t.Errorf("got %v", err)
	}
}

func refused(t *testing.T, path, want string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := Load(path)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		// No fallback to the built-in profiles: there is something.
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v counts as no policy", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
}
