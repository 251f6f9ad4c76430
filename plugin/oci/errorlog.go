// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// report writes an error as the runtime would: to the file of --log in its
// format, whose last error containerd shows as the reason, and to stderr.
func report(call Call, stderr *os.File, failure error) {
	message := failure.Error()
	if call.Log != "" {
		if err := appendLog(call, message); err != nil {
			fmt.Fprintf(stderr, "nodegate-runc: writing to the log: %v\n", err)
		}
	}
	fmt.Fprintln(stderr, message)
}

func appendLog(call Call, message string) error {
	f, err := os.OpenFile(call.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	now := time.Now().Format(time.RFC3339)
	line := fmt.Appendf(nil, "time=%q level=error msg=%q\n", now, message)
	if call.LogFormat == "json" {
		line = append(encode(struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
			Time  string `json:"time"`
		}{"error", message, now}), '\n')
	}
	_, err = f.Write(line)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
