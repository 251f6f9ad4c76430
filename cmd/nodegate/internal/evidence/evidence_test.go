// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What is written is read again, whatever programs call themselves and their files.
func TestWriteRead(t *testing.T) {
	c := &Container{ID: "a", Namespace: "n", Pod: "p", Name: "c", Privileged: true, Omitted: 2}
	for _, kind := range types {
		c.Add(Event{Type: kind, Program: "x\x1b[2J\n", Path: "/\u202e<&>", Call: "openat", Error: "EPERM", Names: []string{"a\nb"}})
	}
	want := &Recording{Recorder: "test", From: time.Unix(5, 0).UTC(), To: time.Unix(9, 0).UTC(), Ended: true, Lost: 7, NotRecorded: []string{"x"}, Containers: []*Container{c}}
	var text bytes.Buffer
	if err := want.Write(&text); err != nil {
		t.Fatal(err)
	}
	got, err := Read("x", &text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestReadBad(t *testing.T) {
	const first = `{"type":"recording","version":1,"recorder":"r","from":"2026-01-02T10:00:00Z"}` + "\n"
	const container = `{"type":"container","id":"a","namespace":"n","pod":"p","name":"c","privileged":true,"fromStart":true}` + "\n"
	for name, tc := range map[string]struct{ text, want string }{
		"no recording first": {container, `x:1: the type of the first line is "container"`},
		"two recordings":     {first + first, "x:2: a second recording begins"},
		"a field to come":    {first + container + `{"type":"socket","container":"a","colour":"red"}`, `x:3: json: unknown field "colour"`},
		"a type to come":     {first + `{"type":"smell","container":"a"}`, `x:2: there is no type "smell" in version 1`},
		"no name":            {first + `{"type":"container","id":"a","namespace":"n","pod":"p"}`, "x:2: a container needs id, namespace, pod and name"},
		"twice":              {first + container + container, `x:3: container "a" is there twice`},
		"after the end":      {first + `{"type":"end","to":"2026-01-02T10:00:00Z","lost":0}` + "\n" + container, "x:3: something follows"},
		"a long line":        {first + strings.Repeat("x", maxLine+1), "x:2: the line is longer than 64 KiB"},
		"no JSON":            {first + "\x00", "x:2: is not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read("x", strings.NewReader(tc.text)); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// A program that makes events without end is cut off, and that is counted.
func TestFlood(t *testing.T) {
	c := &Container{}
	for i := range MaxEvents + 5 {
		c.Add(Event{Type: File, Path: fmt.Sprint(i)})
		c.Add(Event{Type: File, Path: "0"})
	}
	if len(c.Events) != MaxEvents || c.Omitted != 5 {
		t.Errorf("%d events, %d omitted", len(c.Events), c.Omitted)
	}
}

// What is shown holds nothing that a terminal obeys.
func TestText(t *testing.T) {
	const bad = "a\x1b[2J\u202e\r\n"
	for _, kind := range types {
		e := Event{Type: kind, Program: bad, Call: bad, Error: bad, Device: bad, Path: bad, Access: "r", Capability: bad, Filesystem: bad, Limit: bad, Socket: bad, Names: []string{bad}}
		if text := e.Text(); strings.ContainsAny(text, "\x1b\u202e\r\n") || text == "" {
			t.Errorf("%s: %q", kind, text)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"type":"recording","version":1}` + "\n" + `{"type":"container","id":"a","namespace":"n","pod":"p","name":"c"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read("x", bytes.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := r.Write(&out); err != nil {
			t.Error(err)
		}
	})
}
