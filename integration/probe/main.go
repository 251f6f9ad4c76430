// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command probe is the only program of the test image. As the image's entrypoint
// it keeps a pod or a container alive; by exec it answers one question from inside
// a container, with system calls of its own so that no tool's fallback blurs the
// answer.
//
// What a question prints is one line, or JSON where there are several values. The
// exit code is 0 when what was asked for works, 1 when the kernel refuses it (the
// line is then the errno's name, e.g. EACCES) and 2 when the question is wrong.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	exitOK      = 0
	exitRefused = 1
	exitUsage   = 2
)

// question is one subcommand; answer is what it prints on one line.
type question struct {
	name, args string
	ask        func(args []string) (answer string, err error)
}

// usageError is a question that cannot be asked.
type usageError string

func (e usageError) Error() string { return string(e) }

func questions() []question {
	return []question{
		{"pause", "", pause},
		{"ping", "ADDR", ping},
		{"open", "PATH [r|w|rw]", open},
		{"until", "ok|ERRNO PATH [r|w|rw]", until},
		{"hear", "PATH", hear},
		{"stat", "PATH", stat},
		{"ls", "DIR", list},
		{"cat", "PATH", cat},
		{"write", "PATH TEXT", write},
		{"mkdir", "PATH", mkdir},
		{"unlink", "PATH", unlink},
		{"chmod", "PATH MODE", chmod},
		{"limit", "memlock|nofile|core", limit},
		{"flood", "TIMES", flood},
		{"calls", "TIMES", calls},
		{"size", "DIR", size},
		{"mknod", "[-call mknod|mknodat] [-mode-bits N] [-dev-bits N] [-number-bits N] b|c|p|f|s PATH [MAJOR MINOR]", mknod},
		{"mknod-by", "PID b|c|p|f|s PATH [MAJOR MINOR]", mknodBy},
		{"sysctl", "NAME", sysctl},
		{"mount", "FSTYPE DIR", mountNew},
		{"mount-fuse", "DIR", mountFUSE},
		{"key", "SERIAL", readKey},
		{"env", "NAME", environ},
		{"id", "", id},
		{"caps", "", caps},
		{"ioctl-kvm", "[PATH]", kvm},
		{"ioctl-tun", "", tun},
		{"each", "QUESTION...", each},
		{"run-as", "UID GID -- COMMAND...", runAs},
	}
}

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	all := questions()
	if len(args) == 0 {
		return usage(all, "no question")
	}
	i := slices.IndexFunc(all, func(q question) bool { return q.name == args[0] })
	if i < 0 {
		return usage(all, fmt.Sprintf("no question %q", args[0]))
	}
	answer, err := all[i].ask(args[1:])
	var wrong usageError
	switch {
	case errors.As(err, &wrong):
		return usage(all[i:i+1], wrong.Error())
	case err != nil:
		fmt.Println(errnoName(err))
		fmt.Fprintln(os.Stderr, err)
		return exitRefused
	}
	if answer != "" {
		fmt.Println(strings.TrimSuffix(answer, "\n"))
	}
	return exitOK
}

func usage(qs []question, why string) int {
	fmt.Fprintln(os.Stderr, "probe:", why)
	for _, q := range qs {
		fmt.Fprintln(os.Stderr, strings.TrimRight("  probe "+q.name+" "+q.args, " "))
	}
	return exitUsage
}

// errnoName is what a test compares: names are the same on every architecture,
// numbers and strerror's words are not.
func errnoName(err error) string {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(errno))
}

// need returns a usage error unless there are least to most arguments.
func need(args []string, least, most int) error {
	if len(args) < least || len(args) > most {
		return usageError(fmt.Sprintf("%d arguments", len(args)))
	}
	return nil
}
