// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/event"
)

func outcome(i int) *event.Event {
	return &event.Event{Time: time.Now(), Result: event.Adjusted, Namespace: "ci", Pod: fmt.Sprint("p", i),
		Container: "main", ContainerID: fmt.Sprint("id-", i), Profiles: []string{"ping"}, Policy: "6d3bbf2ae1f0"}
}

// started is a log that writes to a file and ends with the test.
func started(t *testing.T, name string) *Log {
	t.Helper()
	l := Start(t.Context())
	l.To(name)
	t.Cleanup(l.Close)
	return l
}

// lines waits until a file has so many lines, and decodes them: a torn one fails.
func lines(t *testing.T, name string, want int) []event.Event {
	t.Helper()
	var text []byte
	for range 200 {
		text, _ = os.ReadFile(name)
		if bytes.Count(text, []byte("\n")) >= want {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	var all []event.Event
	for line := range bytes.Lines(text) {
		var o event.Event
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, o)
	}
	if len(all) != want {
		t.Fatalf("%s has %d lines, want %d", name, len(all), want)
	}
	return all
}

// The file may be moved away, removed or cut to nothing at any time.
func TestRotation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	l := started(t, name)
	l.Event(t.Context(), outcome(1))
	if got := lines(t, name, 1)[0]; got.Pod != "p1" || got.Result != event.Adjusted {
		t.Errorf("%+v", got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	must(t, os.Rename(name, name+".1"))
	l.Event(t.Context(), outcome(2))
	lines(t, name, 1)
	lines(t, name+".1", 1)
	must(t, os.Truncate(name, 0)) // logrotate's copytruncate
	l.Event(t.Context(), outcome(3))
	if got := lines(t, name, 1)[0]; got.Pod != "p3" {
		t.Errorf("%+v", got)
	}
}

// A new policy names another file.
func TestTo(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	l := started(t, a)
	l.Event(t.Context(), outcome(1))
	lines(t, a, 1)
	l.To(b)
	l.Event(t.Context(), outcome(2))
	lines(t, b, 1)
	l.To("")
	l.Event(t.Context(), outcome(3))
	lines(t, a, 1)
}

// A full disk takes part of a line: it is counted, and the next one is whole.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") == "1" {
			t.Fatal("a small file system takes root")
		}
		t.Skip("a small file system takes root")
	}
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8k"))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	name := filepath.Join(dir, "audit.log")
	l := started(t, name)
	for i := range 100 {
		l.Event(t.Context(), outcome(i))
	}
	for range 200 {
		if failed, _ := l.Errors(); failed > 0 && len(l.lines) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	failed, _ := l.Errors()
	text, err := os.ReadFile(name)
	must(t, err)
	whole := bytes.Count(text, []byte("\n"))
	torn := text[bytes.LastIndexByte(text, '\n')+1:]
	if failed == 0 || whole == 0 || whole+int(failed) != 100 || len(torn) == 0 {
		t.Fatalf("%d lines and %d errors of 100, and %q", whole, failed, torn)
	}
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT, "size=64k"))
	l.Event(t.Context(), outcome(100))
	for range 200 {
		if text, err = os.ReadFile(name); bytes.Count(text, []byte("\n")) > whole+1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	must(t, err)
	var last event.Event
	must(t, json.Unmarshal(text[bytes.LastIndexByte(text[:len(text)-1], '\n')+1:], &last))
	if last.Pod != "p100" {
		t.Errorf("%+v", last)
	}
}

// Two agents write to one file, and lines stay whole.
func TestTwoWriters(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	logs := []*Log{started(t, name), started(t, name)}
	var wg sync.WaitGroup
	for _, l := range logs {
		wg.Go(func() {
			for i := range 200 {
				l.Event(t.Context(), outcome(i))
			}
		})
	}
	wg.Wait()
	lines(t, name, 400)
}

// What is at the path is not what an audit log can be.
func TestRefusesTarget(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	for _, name := range []string{"fifo", "link", "none/audit.log", "."} {
		l := started(t, filepath.Join(dir, name))
		began := time.Now()
		l.Event(t.Context(), outcome(1))
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: held a container up for %v", name, took)
		}
		for range 2000 {
			if failed, _ := l.Errors(); failed == 1 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if failed, _ := l.Errors(); failed != 1 {
			t.Errorf("%s: %d errors", name, failed)
		}
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "file")); len(text) > 0 {
		t.Errorf("written through a link: %s", text)
	}
}

// A disk that hangs costs a container a moment, and lines that are counted.
func TestHangingDisk(t *testing.T) {
	l := &Log{lines: make(chan []byte, 2), name: "/nowhere"} // nobody writes
	began := time.Now()
	for i := range 5 {
		l.Event(t.Context(), outcome(i))
	}
	if _, dropped := l.Errors(); dropped != 3 {
		t.Errorf("%d dropped, want 3", dropped)
	}
	if took := time.Since(began); took > 5*patience+10*time.Second {
		t.Errorf("took %v", took)
	}
}

// A pod's author writes text that breaks a line of the audit log, or makes it long. Each
// container has one short line.
func TestAttackAuditLine(t *testing.T) {
	const forged = "\n{\"result\":\"adjusted\"}\n"
	evil := forged + "\x00\xff\u2028" + strings.Repeat("\x01", 3000)
	for name, write := range map[string]func(o *event.Event){
		"the request":        func(o *event.Event) { o.Asked = evil },
		"the sentence":       func(o *event.Event) { o.Text = evil },
		"the pod":            func(o *event.Event) { o.Pod = evil },
		"the namespace":      func(o *event.Event) { o.Namespace = evil },
		"the container":      func(o *event.Event) { o.Container = evil },
		"the handler":        func(o *event.Event) { o.Handler = evil },
		"the ids":            func(o *event.Event) { o.PodID, o.ContainerID = evil, evil },
		"thousands of names": func(o *event.Event) { o.Profiles = slices.Repeat([]string{forged}, 5000) },
		"long changes":       func(o *event.Event) { o.Changes = []string{strings.Repeat("x", 2000), strings.Repeat("y", 3000)} },
		"all of it": func(o *event.Event) {
			o.Asked, o.Text, o.Pod, o.Namespace, o.Container, o.Handler = evil, evil, evil, evil, evil, evil
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome(1)
			write(o)
			line := encode(o)
			if len(line) > maxLine || bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
				t.Fatalf("%d bytes, %d lines", len(line), bytes.Count(line, []byte("\n")))
			}
			var back event.Event
			must(t, json.Unmarshal(line, &back))
			if back.Result != event.Adjusted || back.Time.IsZero() || back.Policy != o.Policy {
				t.Errorf("%+v", back)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
