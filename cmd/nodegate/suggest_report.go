// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
	"github.com/nodegate/nodegate/config/lint"
)

// suggestReport is what -o json prints.
type suggestReport struct {
	Origin     string         `json:"origin"`
	Limits     []string       `json:"limits,omitempty"` // of what was observed
	Pods       []suggestedPod `json:"pods"`
	Privileged int            `json:"privileged"`         // pods that have a privileged container
	CouldGo    int            `json:"couldGo"`            // of them, without one
	Unknown    int            `json:"unknown,omitempty"`  // of them, where that is not known
	PassedOver int            `json:"passedOver"`         // files of directories that are not about pods
	Dangers    []lint.Finding `json:"dangers,omitempty"`  // what nodegate check says of it
	Verified   *verified      `json:"verified,omitempty"` // by running it
	Policy     string         `json:"policy"`             // TOML to add
	Diff       string         `json:"diff"`               // of the manifests
}

type suggestedPod struct {
	Source     manifest.Place       `json:"source"`
	Kind       string               `json:"kind"`
	Path       string               `json:"path,omitempty"`
	Namespace  string               `json:"namespace"`
	Pod        string               `json:"pod"`
	Privileged bool                 `json:"privileged"`
	CouldGo    *bool                `json:"couldGo"`             // null where it is not known
	Unknown    string               `json:"unknown,omitempty"`   // why
	HostUsers  string               `json:"hostUsers,omitempty"` // "false" to write it, or why it cannot be
	Wrapper    bool                 `json:"wrapper"`
	Changes    []string             `json:"changes,omitempty"` // of the manifest
	ByHand     string               `json:"byHand,omitempty"`  // why they are not in the diff
	Warnings   []string             `json:"warnings,omitempty"`
	Containers []suggestedContainer `json:"containers"`
}

type suggestedContainer struct {
	Name       string        `json:"name"`
	Privileged bool          `json:"privileged"`
	Profiles   []string      `json:"profiles,omitempty"`
	Asks       []suggest.Ask `json:"asks,omitempty"`
	Stays      []string      `json:"stays,omitempty"`
	Privileges []string      `json:"staysPrivileged,omitempty"`
}

const suggestOrigin = "read from the manifests, not observed"

func (s *suggestion) report() *suggestReport {
	out := &suggestReport{Origin: s.origin, Limits: s.limits, Pods: []suggestedPod{}, PassedOver: s.passedOver, Dangers: s.dangers, Verified: s.verified, Policy: s.set.Policy(), Diff: string(s.diff())}
	for _, p := range s.pods {
		pod, r := p.pod(), p.proposal
		one := suggestedPod{Source: pod.Place, Kind: pod.Kind, Path: pod.Path, Namespace: r.Namespace, Pod: strings.TrimSuffix(pod.Name, "-…"), Privileged: r.Privileged(),
			Unknown: s.unknown(p), HostUsers: r.NoUserNS, Wrapper: p.wrapper, Changes: p.changes, ByHand: p.byHand, Warnings: p.warnings}
		if r.HostUsers {
			one.HostUsers = "false"
		}
		if one.Unknown == "" {
			could := one.Privileged && r.CouldGo()
			one.CouldGo = &could
		}
		if one.Privileged {
			out.Privileged++
			switch {
			case one.CouldGo == nil:
				out.Unknown++
			case *one.CouldGo:
				out.CouldGo++
			}
		}
		for i := range r.Containers {
			if c := &r.Containers[i]; c.Concerned() {
				one.Containers = append(one.Containers, suggestedContainer{c.Name, c.Privileged, c.Profiles(), c.Asks, c.Stays, c.Blocked})
			}
		}
		out.Pods = append(out.Pods, one)
	}
	return out
}

// unknown is why nobody knows whether a pod could go without privileged: more was seen of
// it than was kept. That it cannot go is known all the same.
func (s *suggestion) unknown(p *suggested) string {
	if !p.proposal.CouldGo() {
		return ""
	}
	if s.incomplete != "" {
		return s.incomplete
	}
	for i := range p.proposal.Containers {
		if s.observed == nil {
			break
		}
		if seen := s.observed(p.pod(), p.proposal.Containers[i].Name); seen != nil && seen.Omitted > 0 {
			return fmt.Sprintf("%d events of container %q are left out", seen.Omitted, p.proposal.Containers[i].Name)
		}
	}
	return ""
}

func (s *suggestion) write(w io.Writer) error {
	switch s.options.output {
	case "json":
		return writeJSON(w, s.report())
	case "diff":
		return writeDiff(w, s.diff())
	case "toml":
		_, err := io.WriteString(w, s.set.Policy())
		return err
	}
	var out bytes.Buffer
	r := s.report()
	for _, text := range s.limits {
		fmt.Fprintf(&out, "note: %s\n", text)
	}
	for _, f := range s.dangers {
		fmt.Fprintf(&out, "warning: the proposed policy %s: %s [%s]\n", f.What, cmp.Or(f.Why, f.Write), f.Code)
	}
	for i := range r.Pods {
		r.Pods[i].write(&out, r.Origin)
	}
	if s.verified != nil {
		s.verified.write(&out)
	}
	if text := s.set.Policy(); text != "" {
		fmt.Fprintf(&out, "Add to the policy:\n\n%s\n", indented(text))
	}
	r.writeTable(&out)
	if _, err := w.Write(out.Bytes()); err != nil || r.Diff == "" {
		return err
	}
	fmt.Fprint(w, "\nChange the manifests:\n\n")
	return writeDiff(w, []byte(r.Diff))
}

func indented(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			out.WriteString("    ")
		}
		out.WriteString(line)
	}
	return out.String()
}

// diff is what changes in the manifests, as patch -p0 takes it.
func (s *suggestion) diff() []byte {
	var out []byte
	for _, f := range s.files {
		if f.edited != nil {
			text := diff.Diff(f.name, f.read.Text(), f.name, f.edited)
			_, text, _ = bytes.Cut(text, []byte("\n")) // "diff A B"
			out = append(out, text...)
		}
	}
	return out
}

// write prints one pod, if there is anything to say about it.
func (p *suggestedPod) write(w io.Writer, origin string) {
	if len(p.Containers) == 0 {
		return
	}
	fmt.Fprintf(w, "%s %s/%s, %s: %s\n", p.Kind, p.Namespace, p.Pod, p.Source, origin)
	for _, c := range p.Containers {
		state := ""
		if c.Privileged {
			state = ", privileged"
		}
		fmt.Fprintf(w, "  container %q%s\n", c.Name, state)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, a := range c.Asks {
			by := "profile " + a.By
			if a.By == "" {
				by = "stays in the manifest: a user namespace bounds it to the pod"
			}
			if len(c.Privileges) > 0 {
				by = ""
			}
			fmt.Fprintf(t, "    %s\t%s\t%s\n", a.What, a.From, by)
		}
		_ = t.Flush() // to a buffer
		for _, text := range c.Stays {
			fmt.Fprintf(w, "    %s\n", text)
		}
		for _, text := range c.Privileges {
			fmt.Fprintf(w, "    %s: %s\n", map[bool]string{true: "stays privileged", false: "stays as it is"}[c.Privileged], text)
		}
	}
	p.writeResult(w)
	fmt.Fprintln(w)
}

func (p *suggestedPod) writeResult(w io.Writer) {
	if p.HostUsers != "" && p.HostUsers != "false" {
		fmt.Fprintf(w, "  no hostUsers: false: %s\n", p.HostUsers)
	}
	if p.Unknown != "" {
		fmt.Fprintf(w, "  whether it could go is unknown: %s: record it again\n", p.Unknown)
	}
	for _, text := range p.Warnings {
		fmt.Fprintf(w, "  warning: %s\n", text)
	}
	if p.Wrapper {
		fmt.Fprintf(w, "  runtimeClassName: %s, since the wrapper delivers a part of it\n", wrapperClass)
	}
	if p.ByHand != "" {
		fmt.Fprintf(w, "  the manifest %s: %s\n", p.ByHand, strings.Join(p.Changes, "; "))
	}
}

// writeTable counts the pods.
func (r *suggestReport) writeTable(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MANIFEST\tPOD\tPRIVILEGED\tCOULD GO\tBY PROFILES")
	yesNo := map[bool]string{true: "yes", false: "no"}
	used := map[string]int{}
	for i := range r.Pods {
		p := &r.Pods[i]
		var profiles []string
		for _, c := range p.Containers {
			for _, name := range c.Profiles {
				if !slices.Contains(profiles, name) {
					profiles = append(profiles, name)
				}
			}
		}
		if len(profiles) == 0 {
			profiles = []string{"-"}
		}
		could := "-"
		switch {
		case !p.Privileged:
		case p.CouldGo == nil:
			could = "unknown"
		case *p.CouldGo:
			could = "yes"
			for _, name := range profiles {
				used[name]++
			}
		default:
			could = "no"
		}
		fmt.Fprintf(t, "%s\t%s %s/%s\t%s\t%s\t%s\n", p.Source, p.Kind, p.Namespace, p.Pod, yesNo[p.Privileged], could, strings.Join(profiles, ", "))
	}
	_ = t.Flush() // to a buffer
	fmt.Fprintf(w, "\n%s, %d privileged, of which %d could go", several(len(r.Pods), "pod"), r.Privileged, r.CouldGo)
	var by []string
	for _, name := range slices.Sorted(maps.Keys(used)) {
		by = append(by, fmt.Sprintf("%s %d", name, used[name]))
	}
	if len(by) > 0 {
		fmt.Fprintf(w, ": %s", strings.Join(by, ", "))
	}
	if r.Unknown > 0 {
		fmt.Fprintf(w, "; of %d it is unknown", r.Unknown)
	}
	if r.PassedOver > 0 {
		fmt.Fprintf(w, "; %s without pods passed over", several(r.PassedOver, "file"))
	}
	fmt.Fprintln(w)
}
