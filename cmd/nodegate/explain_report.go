// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/rogpeppe/go-internal/diff"
	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// explainReport is the whole answer, and what -o json prints.
type explainReport struct {
	Policy   string      `json:"policy"` // its hash
	Audit    bool        `json:"audit"`
	Pods     []podReport `json:"pods"`
	Problems []string    `json:"problems,omitempty"`
}

type podReport struct {
	Source      *manifest.Place   `json:"source,omitempty"` // of a manifest
	Kind        string            `json:"kind"`
	Path        string            `json:"path,omitempty"` // of the pod's template in the object
	Namespace   string            `json:"namespace"`
	Pod         string            `json:"pod"`
	Runtime     string            `json:"runtime"`
	RuntimeFrom string            `json:"runtimeFrom"`
	Handler     string            `json:"handler"`
	HandlerFrom string            `json:"handlerFrom"`
	Assumed     []string          `json:"assumed,omitempty"`
	Hints       []string          `json:"hints,omitempty"`
	Containers  []containerReport `json:"containers"`

	several  bool // there are other templates in the object
	diffNote string
}

// result is what comes of a container.
type result string

const (
	adjusted  result = "adjusted"
	unchanged result = "unchanged"
	refused   result = "refused"
)

type containerReport struct {
	Name     string          `json:"name"`
	Type     string          `json:"type,omitempty"` // container, init, sidecar, ephemeral
	ID       string          `json:"id,omitempty"`
	Result   result          `json:"result"`
	Profiles []string        `json:"profiles,omitempty"`
	Refusal  *policy.Refusal `json:"refusal,omitempty"`
	Grants   []grantReport   `json:"grants,omitempty"`
	Changes  []changeReport  `json:"changes,omitempty"`
	Reasons  []string        `json:"reasons,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	Live     *liveReport     `json:"live,omitempty"`

	diff []byte
}

type grantReport struct {
	Source  string         `json:"source"` // file:line
	Profile string         `json:"profile"`
	Verdict policy.Verdict `json:"verdict"`
	Why     string         `json:"why"`
}

type changeReport struct {
	Only   *change.Adjustment `json:"-"`
	Field  string             `json:"field"`
	Change string             `json:"change"`
	By     change.Channel     `json:"by"`
	Has    string             `json:"has,omitempty"` // of a live container: "given" or "missing"
}

// addDiff makes the difference between the specs before and after.
func (c *containerReport) addDiff(got *explanation, note string) error {
	if got.before == nil {
		return nil
	}
	before, err := pretty(got.before)
	if err != nil {
		return err
	}
	after, err := pretty(got.after)
	if err != nil {
		return err
	}
	c.diff = diff.Diff("before ("+note+")", []byte(before), "after", []byte(after))
	if at := bytes.IndexByte(c.diff, '\n'); at >= 0 {
		c.diff = c.diff[at+1:] // names the two once more
	}
	return nil
}

func (r *explainReport) write(w io.Writer, format string) error {
	switch format {
	case "json":
		return writeJSON(w, r)
	case "yaml":
		return writeYAML(w, r)
	case "diff":
		return r.writeDiff(w)
	}
	return r.writeTable(w)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeYAML writes what writeJSON writes, members in the same order.
func writeYAML(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	plainStyle(&n)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return e.Encode(&n)
}

// plainStyle takes JSON's braces and quotes away.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		plainStyle(c)
	}
}
