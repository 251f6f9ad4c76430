// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// open opens a file and closes it again.
func open(args []string) (string, error) {
	if err := need(args, 1, 2); err != nil {
		return "", err
	}
	flags := map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR}
	access := "r"
	if len(args) == 2 {
		access = args[1]
	}
	flag, ok := flags[access]
	if !ok {
		return "", usageError(fmt.Sprintf("access %q is not r, w or rw", access))
	}
	// A serial line waits for its carrier and a FIFO for its other end without O_NONBLOCK.
	fd, err := unix.Open(args[0], flag|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: args[0], Err: err}
	}
	return "ok", unix.Close(fd)
}

// fileInfo is the answer to stat. Major and minor are those of the node, 0 for
// files that are none.
type fileInfo struct {
	Type  string `json:"type"`
	Mode  string `json:"mode"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Major uint32 `json:"major"`
	Minor uint32 `json:"minor"`
}

// stat does not follow a last symbolic link.
func stat(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Lstat(args[0], &st); err != nil {
		return "", &os.PathError{Op: "lstat", Path: args[0], Err: err}
	}
	types := map[uint32]string{
		unix.S_IFBLK: "block", unix.S_IFCHR: "char", unix.S_IFIFO: "fifo", unix.S_IFREG: "file",
		unix.S_IFDIR: "dir", unix.S_IFLNK: "symlink", unix.S_IFSOCK: "socket",
	}
	answer, err := json.Marshal(fileInfo{
		Type:  types[st.Mode&unix.S_IFMT],
		Mode:  fmt.Sprintf("%04o", st.Mode&^unix.S_IFMT),
		UID:   st.Uid,
		GID:   st.Gid,
		Major: unix.Major(st.Rdev),
		Minor: unix.Minor(st.Rdev),
	})
	return string(answer), err
}

// list prints one name a line, sorted.
func list(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(args[0])
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, "\n"), nil
}

func cat(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	content, err := os.ReadFile(args[0])
	return string(content), err
}

// write writes to a file that exists, in one system call: what a sysctl or a
// cgroup's file expects.
func write(args []string) (string, error) {
	if err := need(args, 2, 2); err != nil {
		return "", err
	}
	f, err := os.OpenFile(args[0], os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteString(args[1]); err != nil {
		return "", err
	}
	return "ok", nil
}

func mkdir(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	if err := os.Mkdir(args[0], 0o755); err != nil {
		return "", err
	}
	return "ok", nil
}

func unlink(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	if err := unix.Unlink(args[0]); err != nil {
		return "", err
	}
	return "ok", nil
}

func chmod(args []string) (string, error) {
	if err := need(args, 2, 2); err != nil {
		return "", err
	}
	mode, err := strconv.ParseUint(args[1], 8, 12)
	if err != nil {
		return "", usageError(fmt.Sprintf("%q is no mode", args[1]))
	}
	if err := unix.Chmod(args[0], uint32(mode)); err != nil {
		return "", err
	}
	return "ok", nil
}
