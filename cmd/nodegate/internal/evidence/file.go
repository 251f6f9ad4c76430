// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	maxLine       = 64 << 10 // bytes
	maxContainers = 1000
)

type recordingLine struct {
	Type        string    `json:"type"` // "recording"
	Version     int       `json:"version"`
	Recorder    string    `json:"recorder"`
	From        time.Time `json:"from"`
	NotRecorded []string  `json:"notRecorded,omitempty"`
}

type containerLine struct {
	Type string `json:"type"` // "container"
	*Container
}

type eventLine struct {
	Event
	Container string `json:"container"`
}

type endLine struct {
	Type string    `json:"type"` // "end"
	To   time.Time `json:"to"`
	Lost uint64    `json:"lost"`
}

// Write writes a recording as JSON lines.
func (r *Recording) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	errs := []error{lines.Encode(recordingLine{"recording", Version, r.Recorder, r.From, r.NotRecorded})}
	for _, c := range r.Containers {
		errs = append(errs, lines.Encode(containerLine{"container", c}))
		for _, e := range c.Events {
			errs = append(errs, lines.Encode(eventLine{e, c.ID}))
		}
	}
	if r.Ended {
		errs = append(errs, lines.Encode(endLine{"end", r.To, r.Lost}))
	}
	return errors.Join(append(errs, out.Flush())...)
}

// Read reads what Write or another recorder wrote. Errors name the line.
func Read(name string, from io.Reader) (*Recording, error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	r := &Recording{}
	n := 0
	for lines.Scan() {
		n++
		if err := r.line(n, lines.Bytes()); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("%s:%d: the line is longer than %d KiB", name, n+1, maxLine>>10)
	} else if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if n == 0 {
		return nil, fmt.Errorf("%s is empty: write what a recorder wrote", name)
	}
	return r, nil
}

func (r *Recording) line(n int, text []byte) error {
	var of struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return fmt.Errorf("is not a JSON object: %w", err)
	}
	switch {
	case n == 1 && of.Type != "recording":
		return fmt.Errorf("the type of the first line is %q: write \"recording\", with version %d", of.Type, Version)
	case n > 1 && of.Type == "recording":
		return errors.New("a second recording begins: write each to a file of its own")
	case r.Ended:
		return errors.New("something follows the line with type \"end\"")
	}
	switch of.Type {
	case "recording":
		var l recordingLine
		// The version first: another one may have other fields.
		if err := json.Unmarshal(text, &l); err == nil && l.Version != Version {
			return fmt.Errorf("the version is %d: this nodegate reads version %d", l.Version, Version)
		}
		err := strictly(text, &l)
		r.Recorder, r.From, r.NotRecorded = l.Recorder, l.From, l.NotRecorded
		return err
	case "container":
		return r.container(text)
	case "end":
		var l endLine
		err := strictly(text, &l)
		r.To, r.Lost, r.Ended = l.To, l.Lost, true
		return err
	}
	if !slices.Contains(types, of.Type) {
		return fmt.Errorf("there is no type %q in version %d", of.Type, Version)
	}
	var l eventLine
	if err := strictly(text, &l); err != nil {
		return err
	}
	i := slices.IndexFunc(r.Containers, func(c *Container) bool { return c.ID == l.Container })
	if i < 0 {
		return fmt.Errorf("no line with type \"container\" before it has the id %q", l.Container)
	}
	r.Containers[i].Add(l.Event)
	return nil
}

func (r *Recording) container(text []byte) error {
	l := containerLine{Container: &Container{}}
	if err := strictly(text, &l); err != nil {
		return err
	}
	switch {
	case l.ID == "" || l.Namespace == "" || l.Pod == "" || l.Name == "":
		return errors.New("a container needs id, namespace, pod and name")
	case len(r.Containers) >= maxContainers:
		return fmt.Errorf("there are more than %d containers", maxContainers)
	case slices.ContainsFunc(r.Containers, func(c *Container) bool { return c.ID == l.ID }):
		return fmt.Errorf("container %q is there twice", l.ID)
	}
	r.Containers = append(r.Containers, l.Container)
	return nil
}

// strictly decodes one line whose fields are all known.
func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
