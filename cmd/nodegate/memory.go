// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseMemory gives back what only the start, or a new policy, needed: garbage, and
// the pages of this program that were read for it. Half of the program is other
// commands' (the CRI client, manifests, doctor), and starting touches nearly all of it.
func releaseMemory() {
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/smaps")
	self, err2 := os.Readlink("/proc/self/exe")
	if err != nil || err2 != nil {
		return // it is only larger then
	}
	for _, m := range unwritten(maps, self) {
		// The kernel maps them again, from the file, where they are used.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// keepSmall sets GOGC to 50, unless the environment sets it: an agent's live heap is below
// Go's minimum of 4 MiB, which 50 halves, and the garbage of each look at the node would
// stay resident up to that minimum.
func keepSmall() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

type mapping struct{ from, to uintptr }

// unwritten returns the mappings of a file that are read only and as they are in the
// file: of one that a loader has written to, the pages would be lost.
func unwritten(smaps []byte, file string) (all []mapping) {
	var m mapping
	for s := bufio.NewScanner(bytes.NewReader(smaps)); s.Scan(); {
		fields := strings.Fields(s.Text())
		var from, to uintptr
		switch n, _ := fmt.Sscanf(fields[0], "%x-%x", &from, &to); {
		case n == 2 && len(fields) == 6 && fields[5] == file && strings.HasPrefix(fields[1], "r-") && from < to:
			m = mapping{from, to}
		case n == 2:
			m = mapping{}
		case m.to != 0 && fields[0] == "Anonymous:" && fields[1] == "0":
			all, m = append(all, m), mapping{}
		}
	}
	return all
}
