// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
)

// report proposes from a recording, with the engine's verdict, as suggest does.
func (o *learnOptions) report(cmd *cobra.Command, r *evidence.Recording) error {
	c, builtIn, err := o.load(cmd)
	if err != nil {
		return err
	}
	if (o.verify || o.minimize) && !cmd.Flags().Changed("runtime") {
		if err := o.askRuntime(cmd.Context()); err != nil {
			return err
		}
	}
	s := &suggestion{options: &o.suggestOptions, builtIn: builtIn, origin: observedOrigin(r), incomplete: incomplete(r)}
	var unreadable error
	if len(o.files) > 0 {
		unreadable = s.read(cmd)
	} else {
		f := &manifestFile{name: "evidence", made: true, read: manifest.ReadToEdit("evidence", bytes.NewReader(madeManifest(r)))}
		for _, p := range f.read.Problems {
			return fmt.Errorf("making a manifest of the evidence: %w", p)
		}
		unreadable = errors.Join(s.add(f)...)
	}
	unused := map[*evidence.Container]bool{}
	for _, seen := range r.Containers {
		unused[seen] = true
	}
	s.observed = func(p *manifest.Pod, container string) *evidence.Container {
		return o.observed(r, p, container, unused)
	}
	if err := s.propose(c); err != nil {
		return errors.Join(unreadable, err)
	}
	for _, seen := range r.Containers {
		if unused[seen] {
			unreadable = errors.Join(unreadable, fmt.Errorf("container %q of pod %s/%s was observed, and no manifest has it: write -f FILE with its pod", seen.Name, seen.Namespace, seen.Pod))
		}
	}
	s.limits = limitsOf(r)
	var failed error
	if o.verify || o.minimize {
		failed = o.try(cmd, c, s, r)
	}
	return errors.Join(s.write(cmd.OutOrStdout()), unreadable, failed)
}

// observed is what was observed of a container of a manifest, in all its runs.
func (o *learnOptions) observed(r *evidence.Recording, p *manifest.Pod, container string, unused map[*evidence.Container]bool) *evidence.Container {
	namespace := p.Namespace
	if namespace == "" {
		namespace = o.namespace
	}
	begins, drawn := strings.CutSuffix(p.Name, "…")
	var out *evidence.Container
	for _, seen := range r.Containers {
		if seen.Namespace != namespace || seen.Name != container || seen.Pod != p.Name && (!drawn || !strings.HasPrefix(seen.Pod, begins)) {
			continue
		}
		unused[seen] = false
		if out == nil {
			out = &evidence.Container{Privileged: seen.Privileged}
		}
		out.Omitted += seen.Omitted
		for _, e := range seen.Events {
			out.Add(e)
		}
	}
	return out
}

func observedOrigin(r *evidence.Recording) string {
	length := ""
	if r.Ended {
		length = " for " + r.To.Sub(r.From).Round(time.Second).String()
	}
	return "observed" + length + ": it may not need all that it asked for, and what did not run is unknown"
}

// incomplete is why a recording may lack what a proposal needs; "" for one that is whole.
func incomplete(r *evidence.Recording) string {
	switch {
	case !r.Ended:
		return "the recording was cut off"
	case r.Lost > 0:
		return fmt.Sprintf("%d events were lost", r.Lost)
	}
	return ""
}

// limitsOf is what to know of a recording before anybody trusts it.
func limitsOf(r *evidence.Recording) (out []string) {
	if !r.Ended {
		out = append(out, "the recording was cut off")
	}
	if r.Lost > 0 {
		out = append(out, fmt.Sprintf("%d events were lost, since more came than could be read: what they were is unknown", r.Lost))
	}
	for _, c := range r.Containers {
		if !c.FromStart {
			out = append(out, fmt.Sprintf("container %q ran before the recording began: its start was not seen", c.Name))
		}
		if c.Omitted > 0 {
			out = append(out, fmt.Sprintf("container %q: %d events are left out, since it did more than %d different things", c.Name, c.Omitted, evidence.MaxEvents))
		}
	}
	for _, what := range r.NotRecorded {
		out = append(out, fmt.Sprintf("%q was not recorded", what))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// madeManifest has the observed pods, as far as they are known.
func madeManifest(r *evidence.Recording) []byte {
	var out bytes.Buffer
	var done []string
	for _, c := range r.Containers {
		key := c.Namespace + "/" + c.Pod
		if slices.Contains(done, key) {
			continue
		}
		done = append(done, key)
		fmt.Fprintf(&out, "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: %q\n  namespace: %q\nspec:\n  containers:\n", c.Pod, c.Namespace)
		var names []string
		for _, d := range r.Containers {
			if d.Namespace+"/"+d.Pod == key && !slices.Contains(names, d.Name) {
				names = append(names, d.Name)
				fmt.Fprintf(&out, "  - name: %q\n    image: unknown\n    securityContext:\n      privileged: %t\n", d.Name, d.Privileged)
			}
		}
	}
	return out.Bytes()
}
