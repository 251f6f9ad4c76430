// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// What a loader has written to stays, and so does all that is not of the program.
func TestUnwritten(t *testing.T) {
	const smaps = `00400000-00d7b000 r-xp 00000000 fe:00 17 /usr/local/bin/nodegate
Size:               9708 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00d7b000-0182c000 r--p 0097b000 fe:00 17 /usr/local/bin/nodegate
Anonymous:             0 kB
0182c000-018b9000 rw-p 0142c000 fe:00 17 /usr/local/bin/nodegate
Anonymous:             0 kB
018b9000-018ba000 r--p 0142c000 fe:00 17 /usr/local/bin/nodegate
Anonymous:             4 kB
018c0000-03900000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 18 /lib/x86_64-linux-gnu/libc.so.6
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xd7b000}, {0xd7b000, 0x182c000}}
	if got := unwritten([]byte(smaps), "/usr/local/bin/nodegate"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// The program goes on, and is smaller.
func TestReleaseMemory(t *testing.T) {
	pages := func() (kib int) {
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(status), "RssFile:")
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			t.Fatal(err)
		}
		return kib
	}
	if err := rootCommand().GenBashCompletionV2(new(strings.Builder), true); err != nil {
		t.Fatal(err)
	}
	before := pages()
	releaseMemory()
	if after := pages(); after > before*3/4 {
		t.Errorf("%d KiB of the program are resident, before %d", after, before)
	}
}
