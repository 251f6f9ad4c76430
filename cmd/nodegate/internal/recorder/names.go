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

// The system calls of the architectures whose nodes can be observed, and of their 32-bit
// ones: "amd64 0 read" and so on; a test writes them from golang.org/x/sys.
//
//go:embed calls.txt
var callTable string

// compat stands beside the number of a call of the 32-bit architecture: COMPAT of
// bpf/learn.bpf.c.
const compat = 1 << 31

var callNames = sync.OnceValue(func() map[uint32]string {
	besides := map[string]string{"amd64": "386", "arm64": "arm"}[runtime.GOARCH]
	names := map[uint32]string{}
	for line := range strings.Lines(callTable) {
		var arch, name string
		var number uint32
		if _, err := fmt.Sscanf(line, "%s %d %s", &arch, &number, &name); err != nil {
			continue
		}
		switch arch {
		case runtime.GOARCH:
			names[number] = name
		case besides:
			names[number|compat] = name
		}
	}
	return names
})

// callName is the name of a system call, or its number where it has none here.
func callName(number uint32) string {
	if name := callNames()[number]; name != "" {
		return name
	}
	if number&compat != 0 && number != noCall {
		return fmt.Sprintf("%d of 32 bits", number&^compat)
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
