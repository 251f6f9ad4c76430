// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
)

// Text says what was observed, in one line that any terminal can take.
func (e *Event) Text() string {
	text := e.what() + e.answered()
	if by := e.By(); by != "" {
		text += " (" + by + ")"
	}
	return text
}

func (e *Event) what() string {
	switch e.Type {
	case Device, Opened, Denied:
		at := ""
		if e.Path != "" {
			at = fmt.Sprintf(" at %q", e.Path)
		}
		return fmt.Sprintf("opens device %q%s (%s)", e.Device, at, e.Access)
	case Mknod:
		return fmt.Sprintf("makes device node %q, %q", e.Path, e.Device)
	case Capability:
		return fmt.Sprintf("asks for CAP_%s", Printable(e.Capability))
	case Mount:
		return fmt.Sprintf("mounts %s from %q", Printable(e.Filesystem), e.Path)
	case File:
		return fmt.Sprintf("opens %q (%s)", e.Path, e.Access)
	case Rlimit:
		return fmt.Sprintf("raises its limit %s to %d", Printable(e.Limit), e.Value)
	case Socket:
		return fmt.Sprintf("makes a socket (%s)", Printable(e.Socket))
	case Namespaces:
		return "makes namespaces: " + Printable(strings.Join(e.Names, ", "))
	case Cgroup:
		return fmt.Sprintf("makes cgroup %q", e.Path)
	case Refused:
		return "is refused a system call by seccomp"
	}
	return fmt.Sprintf("makes %d system calls", len(e.Names))
}

func (e *Event) answered() string {
	if e.Error == "" {
		return ""
	}
	return ": " + Printable(e.Error)
}

// By says who did it and how: "ping, by socket".
func (e *Event) By() string {
	var by []string
	if e.Program != "" {
		by = append(by, Printable(e.Program))
	}
	if e.Call != "" {
		by = append(by, "by "+Printable(e.Call))
	}
	return strings.Join(by, ", ")
}

// Printable is text as a terminal may show it: what it would obey is escaped, as in a Go
// string. Neither the runtime nor the kernel checks names.
func Printable(text string) string {
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}
