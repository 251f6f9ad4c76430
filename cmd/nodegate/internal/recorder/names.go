// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	_ "embed"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/moby/sys/capability"
)

// The system calls of the architectures whose nodes can be observed: "amd64 0 read" and so
// on; a test writes them from golang.org/x/sys.
//
//go:embed calls.txt
var callTable string

var callNames = sync.OnceValue(func() map[uint32]string {
	names := map[uint32]string{}
	for line := range strings.Lines(callTable) {
		var arch, name string
		var number uint32
		if _, err := fmt.Sscanf(line, "%s %d %s", &arch, &number, &name); err == nil && arch == runtime.GOARCH {
			names[number] = name
		}
	}
	return names
})

// callName is the name of a system call, or its number where it has none here.
func callName(number uint32) string {
	if name := callNames()[number]; name != "" {
		return name
	}
	return fmt.Sprint(number)
}

// capabilityName is without CAP_.
func capabilityName(number uint64) string {
	for _, c := range capability.ListKnown() {
		if uint64(c) == number { //nolint:gosec // a small number
			return strings.ToUpper(c.String())
		}
	}
	return fmt.Sprint(number)
}

// limits are in the order of their numbers: include/uapi/asm-generic/resource.h
var limits = []string{"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"}

func limitName(number uint64) string {
	if number < uint64(len(limits)) {
		return limits[number]
	}
	return fmt.Sprint(number)
}
