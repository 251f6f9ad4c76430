// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identity is the answer to id: the process's ids as its user namespace sees them.
type identity struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	EUID   int   `json:"euid"`
	EGID   int   `json:"egid"`
	Groups []int `json:"groups"`
}

func id(args []string) (string, error) {
	if err := need(args, 0, 0); err != nil {
		return "", err
	}
	groups, err := os.Getgroups()
	if err != nil {
		return "", err
	}
	answer, err := json.Marshal(identity{os.Getuid(), os.Getgid(), os.Geteuid(), os.Getegid(), groups})
	return string(answer), err
}

// capabilitySets are the five sets of a process, in the kernel's hexadecimal.
type capabilitySets struct {
	Inheritable string `json:"inheritable"`
	Permitted   string `json:"permitted"`
	Effective   string `json:"effective"`
	Bounding    string `json:"bounding"`
	Ambient     string `json:"ambient"`
}

func caps(args []string) (string, error) {
	if err := need(args, 0, 0); err != nil {
		return "", err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	var sets capabilitySets
	fields := map[string]*string{
		"CapInh": &sets.Inheritable, "CapPrm": &sets.Permitted, "CapEff": &sets.Effective,
		"CapBnd": &sets.Bounding, "CapAmb": &sets.Ambient,
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if set, ok := fields[name]; ok {
			*set = strings.TrimSpace(value)
		}
	}
	answer, err := json.Marshal(sets)
	return string(answer), err
}

func environ(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	value, ok := os.LookupEnv(args[0])
	if !ok {
		return "", errors.New("unset")
	}
	return value, nil
}

// sysctl reads a name with dots, as in net.ipv4.ping_group_range, and prints its
// values with single spaces.
func sysctl(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	content, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(args[0], ".", "/"))
	return strings.Join(strings.Fields(string(content)), " "), err
}

// runAs gives up root for other ids, with no supplementary groups, and executes a
// command in its place.
func runAs(args []string) (string, error) {
	if len(args) < 4 || args[2] != "--" {
		return "", usageError("run-as takes UID GID -- COMMAND...")
	}
	uid, err1 := strconv.Atoi(args[0])
	gid, err2 := strconv.Atoi(args[1])
	if err1 != nil || err2 != nil {
		return "", usageError(fmt.Sprintf("%q, %q are not ids", args[0], args[1]))
	}
	runtime.LockOSThread()
	if err := unix.Setgroups(nil); err != nil {
		return "", os.NewSyscallError("setgroups", err)
	}
	if err := unix.Setresgid(gid, gid, gid); err != nil {
		return "", os.NewSyscallError("setresgid", err)
	}
	if err := unix.Setresuid(uid, uid, uid); err != nil {
		return "", os.NewSyscallError("setresuid", err)
	}
	return "", &os.PathError{Op: "exec", Path: args[3], Err: unix.Exec(args[3], args[3:], os.Environ())}
}
