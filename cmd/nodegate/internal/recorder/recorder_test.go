// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
)

var update = flag.Bool("update", false, "write the golden files; learn.o too, where clang 14 is")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// golden compares a file with what it should hold.
func golden(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		must(t, os.WriteFile(name, want, 0o644)) //nolint:gosec // part of the repository
	}
	if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what its sources give: run go test ./cmd/nodegate/internal/recorder -update (%v)", name, err)
	}
}

// What is embedded was compiled from the sources that are there, and is what the pinned
// clang makes of them where it is installed.
func TestObject(t *testing.T) {
	const dir = "bpf/"
	if _, err := exec.LookPath("clang-14"); err == nil {
		out := filepath.Join(t.TempDir(), "learn.o")
		if text, err := exec.Command(dir+"build.sh", out).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		made, err := os.ReadFile(out)
		must(t, err)
		golden(t, dir+"learn.o", made)
	}
	var sums strings.Builder
	for _, name := range []string{"build.sh", "kernel.h", "learn.bpf.c", "learn.o"} {
		content, err := os.ReadFile(dir + name)
		must(t, err)
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), name)
	}
	golden(t, dir+"sums.txt", []byte(sums.String()))
}

// Each program that a kernel may lack a place for is described, and the events are as long
// as they are read.
func TestPrograms(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	must(t, err)
	for name := range observes {
		if spec.Programs[name] == nil {
			t.Errorf("there is no program %q", name)
		}
	}
	if len(spec.Programs) != len(observes)+6 { // container_made, cgroup_gone, call_made, call_refused, opened, capability_asked
		t.Errorf("%d programs", len(spec.Programs))
	}
	var e rawEvent
	if got := binary.Size(e); got != eventSize {
		t.Errorf("an event has %d bytes", got)
	}
}

// An event is read as its layout says, and a short one is an error.
func TestParse(t *testing.T) {
	raw := make([]byte, eventSize+8) // records are padded
	for i := range raw {
		raw[i] = byte(i)
	}
	clear(raw[36:40]) // unused
	var want rawEvent
	must(t, binary.Read(bytes.NewReader(raw), binary.NativeEndian, &want))
	if got, err := parse(raw); err != nil || got.raw != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := parse(raw[:eventSize-1]); err == nil {
		t.Error("a short event is read")
	}
}

// A second's events of a container that floods, all different, are counted, and take no more
// memory than the bound.
func TestFlood(t *testing.T) {
	const flood = 200_000
	raw := make([]byte, eventSize)
	binary.NativeEndian.PutUint32(raw[24:], kindDevice)
	binary.NativeEndian.PutUint32(raw[32:], 257)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c, began := &evidence.Container{}, time.Now()
	for i := range flood {
		copy(raw[40:], fmt.Sprintf("p%d\x00", i))
		copy(raw[88:], fmt.Sprintf("/dev/\x1b[2J%d\x00", i))
		e, err := parse(raw)
		must(t, err)
		c.Add(e.Evidence())
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20 //nolint:gosec // far below
	t.Logf("%d events took %.2f s, and hold %d MiB", flood, took.Seconds(), kept)
	if took > 20*time.Second { // 0.4 s of a processor: the rest is for a busy machine
		t.Error("a second's events are not read in time")
	}
	if len(c.Events) != evidence.MaxEvents || c.Omitted != flood-evidence.MaxEvents || kept > 32 {
		t.Errorf("%d events are kept, %d are counted, in %d MiB", len(c.Events), c.Omitted, kept)
	}
}

// A call of the 32-bit architecture has that one's name: its numbers mean others here.
func TestCompatCalls(t *testing.T) {
	number := map[string]uint32{"amd64": 102, "arm64": 281}[runtime.GOARCH] // socketcall, socket
	want := map[string]string{"amd64": "socketcall", "arm64": "socket"}[runtime.GOARCH]
	if got := callName(compat | number); got != want || callName(number) == want {
		t.Errorf("got %q for the 32-bit call %d, and %q for the other", got, number, callName(number))
	}
	if got := callName(compat | 1000); got != "1000 of 32 bits" {
		t.Errorf("got %q", got)
	}
}

func TestCgroups(t *testing.T) {
	top := tree(t.TempDir())
	at := filepath.Join(string(top), "kubepods.slice/cri-containerd-abc.scope")
	must(t, os.MkdirAll(at+"/init.scope", 0o700))
	found, err := top.find("abc")
	if err != nil || found != at {
		t.Errorf("got %q, %v", found, err)
	}
	ids, err := below(found)
	own, _ := cgroupID(at)
	if err != nil || len(ids) != 2 || ids[0] != own {
		t.Errorf("got %d, %v", ids, err)
	}
	if _, err := top.find("abd"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestCallNames(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	must(t, err)
	constant := regexp.MustCompile(`(?m)^\s+SYS_([A-Z0-9_]+)\s+= (\d+)`)
	var table strings.Builder
	for _, arch := range []string{"amd64", "arm64", "386", "arm"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix/zsysnum_linux_"+arch+".go"))
		must(t, err)
		for _, m := range constant.FindAllStringSubmatch(string(text), -1) {
			name := strings.ToLower(m[1])
			if name == "arch_specific_syscall" { // the number at which they begin
				continue
			}
			fmt.Fprintf(&table, "%s %s %s\n", arch, m[2], strings.TrimPrefix(name, "sys_"))
		}
	}
	golden(t, "calls.txt", []byte(table.String()))
}

func TestEvidence(t *testing.T) {
	long := [256]byte{}
	for i := range long {
		long[i] = 0xff
	}
	for name, tc := range map[string]struct {
		raw  rawEvent
		want evidence.Event
	}{
		"a device":                {rawEvent{Kind: kindDevice, A: 10<<20 | 229, B: 3, Call: noCall, Path: [256]byte{'/', 'x'}}, evidence.Event{Type: "device", Device: "c 10:229", Access: "rw", Path: "/x"}},
		"a block device":          {rawEvent{Kind: kindNode, A: block | 7<<20, Result: -1, Call: noCall}, evidence.Event{Type: "mknod", Device: "b 7:0", Error: "EPERM"}},
		"denied":                  {rawEvent{Kind: kindDenied, A: 1<<20 | 2, B: 6, Result: -1, Call: noCall}, evidence.Event{Type: "denied", Device: "c 1:2", Access: "rw", Error: "EPERM"}},
		"a capability":            {rawEvent{Kind: kindCapability, A: 21, B: 7, Call: noCall}, evidence.Event{Type: "capability", Capability: "SYS_ADMIN", Over: "node", Optional: true}},
		"in its own namespace":    {rawEvent{Kind: kindCapability, A: 12, B: 2, Call: noCall}, evidence.Event{Type: "capability", Capability: "NET_ADMIN", Over: "own"}},
		"a capability to come":    {rawEvent{Kind: kindCapability, A: 63, Call: noCall}, evidence.Event{Type: "capability", Capability: "63", Over: "other"}},
		"a path without an end":   {rawEvent{Kind: kindCgroup, Call: noCall, Path: long}, evidence.Event{Type: "cgroup", Path: "\ufffd"}},
		"a limit":                 {rawEvent{Kind: kindRlimit, A: 7, B: 5, Call: noCall}, evidence.Event{Type: "rlimit", Limit: "nofile", Value: 5}},
		"a limit to come":         {rawEvent{Kind: kindRlimit, A: 77, Call: noCall}, evidence.Event{Type: "rlimit", Limit: "77"}},
		"ping":                    {rawEvent{Kind: kindSocket, A: 2<<32 | 2, B: 1, Call: noCall}, evidence.Event{Type: "socket", Socket: "icmp"}},
		"a packet socket":         {rawEvent{Kind: kindSocket, A: 17<<32 | 3, Call: noCall}, evidence.Event{Type: "socket", Socket: "packet"}},
		"an error without a name": {rawEvent{Kind: kindMount, Result: -9999, Call: noCall, Name: [32]byte{'x'}}, evidence.Event{Type: "mount", Filesystem: "x", Error: "-9999"}},
		"a refused call":          {rawEvent{Kind: kindRefused, Call: 0xfffffff, Result: -38}, evidence.Event{Type: "refused", Call: "268435455", Error: "ENOSYS"}},
		"a kind to come":          {rawEvent{Kind: 99, Call: 0xfffffff}, evidence.Event{Call: "268435455"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := Event{tc.raw}
			if got := e.Evidence(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}
