// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"path"

	"golang.org/x/sys/unix"
)

// agentAnswers reports whether somebody listens at the agent's own socket. It only helps
// to say what is wrong.
func agentAnswers(stateDir string) bool {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path.Join(stateDir, "nodegate.sock")}) == nil
}
