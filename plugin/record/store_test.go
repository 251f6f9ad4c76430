// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestWriteAndRead(t *testing.T) {
	s := newStore(t)
	if _, err := s.Read("abc"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	want := full(t, "abc")
	must(t, s.Write(full(t, "abc")))
	must(t, s.Write(want)) // in place of the first
	got, err := s.Read("abc")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for at, mode := range map[string]os.FileMode{
		s.Path("abc"):               0o600,
		filepath.Dir(s.Path("abc")): 0o700 | fs.ModeDir,
	} {
		if st, err := os.Lstat(at); err != nil || st.Mode() != mode {
			t.Errorf("%s: %v, %v, want %v", at, st.Mode(), err, mode)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(s.Path("abc"))); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
	if !strings.HasSuffix(s.Path("abc"), "/run/nodegate/decisions/abc.json") {
		t.Errorf("written to %s", s.Path("abc"))
	}
	must(t, s.Remove("abc"))
	must(t, s.Remove("abc"))
	if _, err := s.Read("abc"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

func TestNames(t *testing.T) {
	s := newStore(t)
	for _, id := range []string{"", ".", "..", "a/b", "../a", "/abs", ".hidden", "-x", "a b", "a\x00", "ä", strings.Repeat("a", 201)} {
		r := full(t, id)
		wantError(t, s.Write(r), "not a container id")
		_, err := s.Read(id)
		wantError(t, err, "not a container id")
		wantError(t, s.Remove(id), "not a container id")
	}
	for _, id := range []string{"a", "A_b-c.d", strings.Repeat("f", 64), strings.Repeat("a", 200)} {
		must(t, s.Write(full(t, id)))
		_, err := s.Read(id)
		must(t, err)
	}
	if _, err := Open("run/nodegate"); err == nil {
		t.Error("a relative state directory is accepted")
	}
}

// A record is a link, a FIFO, another user's or writable by others. Only root's own
// regular file is a record.
func TestAttackRecordFile(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(t *testing.T, s *Store, at string)
		want string
	}{
		"a link": {func(t *testing.T, _ *Store, at string) {
			must(t, os.Rename(at, at+".real"))
			must(t, os.Symlink(at+".real", at))
		}, "is a symbolic link"},
		"a FIFO": {func(t *testing.T, _ *Store, at string) {
			must(t, os.Remove(at))
			must(t, unix.Mkfifo(at, 0o600))
		}, "is not a regular file"},
		"a directory": {func(t *testing.T, _ *Store, at string) {
			must(t, os.Remove(at))
			must(t, os.Mkdir(at, 0o700))
		}, "is not a regular file"},
		"a device": {func(t *testing.T, _ *Store, at string) {
			must(t, os.Remove(at))
			must(t, unix.Mknod(at, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))))
		}, "is not a regular file"},
		"a user's":       {func(t *testing.T, _ *Store, at string) { must(t, os.Chown(at, 1000, 0)) }, "belongs to uid 1000"},
		"group-writable": {func(t *testing.T, _ *Store, at string) { must(t, os.Chmod(at, 0o620)) }, "has mode 0620: others than root can write it"},
		"all-writable":   {func(t *testing.T, _ *Store, at string) { must(t, os.Chmod(at, 0o602)) }, "has mode 0602"},
		"too large":      {func(t *testing.T, _ *Store, at string) { must(t, os.Truncate(at, maxSize+1)) }, "more than a record may have"},
		"large":          {func(t *testing.T, _ *Store, at string) { must(t, os.Truncate(at, maxSize)) }, "something follows"},
		"cut off":        {func(t *testing.T, _ *Store, at string) { must(t, os.Truncate(at, 100)) }, "unexpected EOF"},
		"empty":          {func(t *testing.T, _ *Store, at string) { must(t, os.Truncate(at, 0)) }, "EOF"},
		"another's": {func(t *testing.T, s *Store, at string) {
			must(t, s.Write(full(t, "other")))
			must(t, os.Rename(s.Path("other"), at))
		}, `is for container "other"`},
		"a user's folder":  {func(t *testing.T, _ *Store, at string) { must(t, os.Chown(filepath.Dir(at), 1000, 0)) }, "belongs to uid 1000"},
		"a writable one":   {func(t *testing.T, _ *Store, at string) { must(t, os.Chmod(filepath.Dir(at), 0o770)) }, "has mode 0770"},
		"a user's state":   {func(t *testing.T, s *Store, _ string) { must(t, os.Chown(s.stateDir, 1000, 0)) }, "belongs to uid 1000"},
		"a writable state": {func(t *testing.T, s *Store, _ string) { must(t, os.Chmod(s.stateDir, 0o777)) }, "has mode 0777"},
		"a linked folder": {func(t *testing.T, _ *Store, at string) {
			dir := filepath.Dir(at)
			must(t, os.Rename(dir, dir+".real"))
			must(t, os.Symlink(dir+".real", dir))
		}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			must(t, s.Write(full(t, "abc")))
			c.set(t, s, s.Path("abc"))
			got, err := s.Read("abc")
			wantError(t, err, c.want)
			if !reflect.DeepEqual(got, Record{}) {
				t.Errorf("a record beside the error: %+v", got)
			}
			if errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v says that there is none", err)
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	s := newStore(t)
	r := full(t, "abc")
	r.Nonce = ""
	wantError(t, s.Write(r), "nonce")
	r = full(t, "abc")
	r.Version = 3
	wantError(t, s.Write(r), "version 3 is not 2")
	r = full(t, "abc")
	r.Adjustment.Env = map[string]string{"x": strings.Repeat("x", maxSize)}
	wantError(t, s.Write(r), "more than a record may have")
	if _, err := os.Lstat(s.stateDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refusal makes the state directory: %v", err)
	}
}

// A full disk leaves the earlier record as it was, and nothing else.
func TestWriteOnAFullDisk(t *testing.T) {
	s := newStore(t)
	must(t, os.MkdirAll(s.stateDir, 0o755))
	runtime.LockOSThread() // a thread, and a mount namespace, of the test's own
	must(t, unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS))
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	must(t, unix.Mount("nodegate-test", s.stateDir, "tmpfs", 0, "mode=755,size=16k"))
	t.Cleanup(func() { _ = unix.Unmount(s.stateDir, unix.MNT_DETACH) })
	want := full(t, "abc")
	must(t, s.Write(want))
	r := full(t, "abc")
	r.Adjustment.Env = map[string]string{"x": strings.Repeat("x", 100<<10)}
	if err := s.Write(r); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), s.Path("abc")) {
		t.Errorf("got %v, want ENOSPC and where", err)
	}
	if got, err := s.Read("abc"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(s.Path("abc"))); len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}

func TestListAndSweep(t *testing.T) {
	s := newStore(t)
	if list, err := s.List(); list != nil || err != nil {
		t.Errorf("of nothing: %v, %v", list, err)
	}
	if removed, err := s.Sweep(func(string) bool { return false }); removed != nil || err != nil {
		t.Errorf("swept of nothing: %v, %v", removed, err)
	}
	for _, id := range []string{"live", "bad", "gone"} {
		must(t, s.Write(full(t, id)))
	}
	dir := filepath.Dir(s.Path("x"))
	must(t, os.Chmod(s.Path("bad"), 0o666))
	must(t, os.WriteFile(dir+"/notes.txt", nil, 0o600))
	must(t, os.WriteFile(dir+"/.new-young", nil, 0o600))
	must(t, os.WriteFile(dir+"/.new-old", nil, 0o600))
	long := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(dir+"/.new-old", long, long))

	list, err := s.List()
	wantError(t, err, "mode 0666")
	if len(list) != 2 || list[0].ContainerID != "gone" || list[1].ContainerID != "live" {
		t.Errorf("listed %+v", list)
	}
	removed, err := s.Sweep(func(id string) bool { return id == "live" })
	if err != nil || !slices.Equal(removed, []string{"bad", "gone"}) {
		t.Errorf("swept %v, %v", removed, err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{".new-young", "live.json", "notes.txt"}) {
		t.Errorf("left: %v", names)
	}
}

// Readers see one record or the other, whole, while both agents write.
func TestWriteIsAtomic(t *testing.T) {
	s := newStore(t)
	must(t, s.Write(full(t, "abc")))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 300 {
				if err := s.Write(full(t, "abc")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 1000 {
		if _, err := s.Read("abc"); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

func BenchmarkWrite(b *testing.B) {
	s := newStore(b)
	r := full(b, "abc")
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.Write(r))
	}
}

func BenchmarkRead(b *testing.B) {
	s := newStore(b)
	must(b, s.Write(full(b, "abc")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Read("abc"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSweep(b *testing.B) {
	s := newStore(b)
	for i := range 500 {
		must(b, s.Write(full(b, fmt.Sprintf("c%d", i))))
	}
	b.ReportAllocs()
	for b.Loop() {
		if removed, err := s.Sweep(func(string) bool { return true }); removed != nil || err != nil {
			b.Fatal(removed, err)
		}
	}
}
