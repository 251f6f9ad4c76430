// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hear reads a line from a serial device, for as long as patience.
func hear(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: args[0], Err: err}
	}
	f := os.NewFile(uintptr(fd), args[0])
	defer f.Close()
	if err := f.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := f.WriteString("listening\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(f).ReadString('\n')
	return strings.TrimSpace(line), err
}
