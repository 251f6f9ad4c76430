// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// pause sleeps until SIGTERM, SIGINT or SIGRTMIN+3. As PID 1 of a pod it inherits the orphans
// of what tests exec, and waits for them: a zombie would count as left behind.
func pause(args []string) (string, error) {
	if err := need(args, 0, 0); err != nil {
		return "", err
	}
	signals := make(chan os.Signal, 16)
	// The images of hack/images stop by the signal that systemd takes for a halt, SIGRTMIN+3.
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGCHLD, unix.Signal(37))
	for s := range signals {
		if s != unix.SIGCHLD {
			return "", nil
		}
		for {
			// One SIGCHLD may stand for several children.
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
		}
	}
	return "", nil
}
