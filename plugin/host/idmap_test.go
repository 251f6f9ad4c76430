// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"reflect"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func extents(n ...uint32) (out []specs.LinuxIDMapping) {
	for ; len(n) > 0; n = n[3:] {
		out = append(out, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return out
}

func TestParseIDMap(t *testing.T) {
	for _, c := range []struct {
		text string
		want []specs.LinuxIDMapping // nil for unknown
	}{
		{"         0          0 4294967295\n", extents(0, 0, math.MaxUint32)},
		{"0 100000 65536\n", extents(0, 100000, 65536)},
		{"0 100000 10\n20 200000 5\n4294967290 1 5\n", extents(0, 100000, 10, 20, 200000, 5, 4294967290, 1, 5)},
		{"0 100000 10", extents(0, 100000, 10)},
		{"", nil},
		{"\n", nil},
		{"0 100000 10\n\n", nil},
		{"0 100000\n", nil},
		{"0 100000 10 1\n", nil},
		{"0 100000 0\n", nil},
		{"0 4294967295 1\n", nil}, // not mapped in the reader's user namespace
		{"4294967295 0 1\n", nil},
		{"1 0 4294967295\n", nil},
		{"0 -1 10\n", nil},
		{"0 4294967296 10\n", nil},
		{"0 0x10 10\n", nil},
		{"0 100000 10\nx\n", nil},
	} {
		got := parseIDMap([]byte(c.text))
		if got.OK != (c.want != nil) || got.OK && !reflect.DeepEqual(got.Value, c.want) {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func FuzzParseIDMap(f *testing.F) {
	for _, seed := range []string{"", "0 0 4294967295\n", "0 100000 65536\n65536 1 1\n", "0 1\n", "a b c\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := parseIDMap(text)
		if !got.OK {
			if got.Value != nil {
				t.Fatalf("unknown, with a value: %v", got)
			}
			return
		}
		var again bytes.Buffer
		for _, x := range got.Value {
			if x.Size == 0 || uint64(x.ContainerID)+uint64(x.Size) > math.MaxUint32 || uint64(x.HostID)+uint64(x.Size) > math.MaxUint32 {
				t.Fatalf("%v is no extent", x)
			}
			fmt.Fprintf(&again, "%10d %10d %10d\n", x.ContainerID, x.HostID, x.Size)
		}
		if !reflect.DeepEqual(parseIDMap(again.Bytes()), got) {
			t.Fatalf("%q reads otherwise once written by the kernel's format", text)
		}
	})
}

func TestIDMapsOfAProcess(t *testing.T) {
	requireRoot(t)
	h := newHost(t, "/")
	child := exec.Command("sleep", "60")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER,
		Pdeathsig:  syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{
			{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 1000, HostID: 300000, Size: 1}, {ContainerID: 5000, HostID: 200000, Size: 65536}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 400000, Size: 65536}},
	}
	if err := child.Start(); err != nil {
		cannot(t, fmt.Sprintf("starting a process in a user namespace: %s", err))
	}
	uid, gid := h.IDMaps(uint32(child.Process.Pid))
	if want := extents(0, 100000, 1000, 1000, 300000, 1, 5000, 200000, 65536); !uid.OK || !reflect.DeepEqual(uid.Value, want) {
		t.Errorf("uid map: got %v, want %v", uid, want)
	}
	if want := extents(0, 400000, 65536); !gid.OK || !reflect.DeepEqual(gid.Value, want) {
		t.Errorf("gid map: got %v, want %v", gid, want)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	for _, pid := range []uint32{uint32(child.Process.Pid), 0, math.MaxUint32} {
		if uid, gid := h.IDMaps(pid); uid.OK || gid.OK {
			t.Errorf("pid %d: got %v, %v, want unknown", pid, uid, gid)
		}
	}
}

func TestIDMapsThatCannotBeRead(t *testing.T) {
	root := t.TempDir()
	mkdir(t, root+"/proc/7/gid_map")
	must(t, os.WriteFile(root+"/proc/7/uid_map", bytes.Repeat([]byte("0 1 1\n"), maxIDMap), 0o600))
	if uid, gid := newHost(t, root).IDMaps(7); uid.OK || gid.OK {
		t.Errorf("got %v, %v, want unknown", uid, gid)
	}
}
