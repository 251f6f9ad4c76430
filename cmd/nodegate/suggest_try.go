// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// suggestion is what is proposed for the files, and what explain says of it.
type suggestion struct {
	options    *suggestOptions
	builtIn    bool // there is no policy but the built-in profiles
	files      []*manifestFile
	pods       []*suggested
	set        *suggest.Set
	observed   suggest.Observed // nil where all is read
	without    []suggest.Entry  // what was taken away, since it makes no difference
	verified   *verified        // nil where nothing was tried
	origin     string           // what the proposals rest on
	limits     []string         // of what was observed
	incomplete string           // why what was observed is not all that there was
	passedOver int              // files of directories that are not about pods
	dangers    []lint.Finding   // in what is proposed
}

// suggested is a pod of a file, and what came of trying its proposal.
type suggested struct {
	file     *manifestFile
	index    int
	proposal *suggest.Proposal
	changes  []string // of its manifest, in words
	byHand   string   // why its manifest is not edited here
	wrapper  bool     // it needs the RuntimeClass
	warnings []string
}

func (p *suggested) pod() *manifest.Pod { return &p.file.read.Pods[p.index] }

// wrapperClass is the RuntimeClass that the installation makes.
const wrapperClass = "nodegate"

const notAsMeant = "is not edited here, since the edited file would not be read as intended. Change it by hand"

// try has the engine decide about each proposal, as explain does: about the manifest as
// it would be, under the policy as it would be, on a node that has the devices. A pod
// that needs the wrapper gets its RuntimeClass. Pods whose proposal does not hold are
// added to those that are refused.
func (s *suggestion) try(refusedPods map[*manifest.Pod]string) error {
	e, err := s.explainer()
	if err != nil {
		return err
	}
	defer func() { _ = e.host.Close() }() // read only
	for i, p := range s.pods {
		*p = suggested{file: p.file, index: p.index, proposal: s.set.Pods[i]}
	}
	for _, f := range s.files {
		f.edits, f.edited = map[int]manifest.Edit{}, nil
		for _, p := range f.pods {
			p.edit("")
		}
		if err := f.try(e, f.pods, refusedPods); err != nil {
			return err
		}
		wrapped := slices.DeleteFunc(slices.Clone(f.pods), func(p *suggested) bool { return !p.wrapper })
		for _, p := range wrapped {
			p.edit(wrapperClass)
		}
		if err := f.try(e, wrapped, refusedPods); err != nil {
			return err
		}
		switch {
		case f.made:
			for _, p := range f.pods {
				if _, ok := f.edits[p.index]; ok {
					p.byHand = "was not given (-f). Change it like this"
				}
			}
		case len(f.edits) > 0:
			f.edited, _ = f.read.Edited(f.edits) // what fails was taken out
		}
	}
	return nil
}

// edit notes what is to be changed in the pod's manifest.
func (p *suggested) edit(class string) {
	edit := p.proposal.Edit(class)
	if p.changes = edit.Words(); len(p.changes) > 0 {
		p.file.edits[p.index] = edit
	}
}

// try tries the edits of some pods of a file, and takes out those that do not hold.
func (f *manifestFile) try(e *explainer, pods []*suggested, refusedPods map[*manifest.Pod]string) error {
	if len(pods) == 0 || len(f.edits) == 0 {
		return nil
	}
	text, failed := f.read.Edited(f.edits)
	again := manifest.Read(f.name, bytes.NewReader(text))
	readable := len(again.Pods) == len(f.read.Pods) && len(again.Problems) == len(f.read.Problems)
	for _, p := range pods {
		if _, ok := f.edits[p.index]; !ok {
			continue
		}
		if err := failed[p.index]; err != nil {
			p.byHand = err.Error()
		} else if !readable {
			p.byHand = notAsMeant
		}
		var wrong policy.Refusal
		if p.byHand == "" {
			var err error
			if wrong, err = p.try(e, &again.Pods[p.index]); err != nil {
				return err
			}
		}
		switch {
		case wrong.Code == policy.NotCarried && p.pod().RuntimeClass == "" && !p.wrapper:
			p.wrapper = true
		case wrong.Text != "":
			refusedPods[p.pod()] = wrong.Text
			delete(f.edits, p.index)
		case p.byHand != "":
			delete(f.edits, p.index)
		}
	}
	return nil
}

func (s *suggestion) explainer() (*explainer, error) {
	c, err := s.policy()
	if err != nil {
		return nil, fmt.Errorf("reading the proposed policy: %w", err)
	}
	r, err := runtimes.Parse(s.options.runtime)
	if err != nil {
		return nil, err
	}
	s.dangers = slices.DeleteFunc(lint.Check(c, r), func(f lint.Finding) bool { return f.File != proposedName || f.Severity == lint.Info })
	e := &explainer{config: c, options: &explainOptions{namespace: s.options.namespace}, runtime: r}
	if err := e.openHost(); err != nil {
		return nil, err
	}
	var devices []policy.HostDevice
	for i, at := range s.set.Devices() {
		devices = append(devices, usually(at, i).device)
	}
	e.host.Assume(devices)
	return e, nil
}

// try notes what explain says of the edited pod, and returns a refusal.
func (p *suggested) try(e *explainer, edited *manifest.Pod) (wrong policy.Refusal, err error) {
	p.warnings = nil
	report, err := e.pod(edited, p.file.read.RuntimeClasses)
	if err != nil {
		return wrong, err
	}
	for i := range report.Containers {
		c, promised := &report.Containers[i], &p.proposal.Containers[i]
		p.warnings = append(p.warnings, c.Warnings...)
		if c.Result == refused {
			return *c.Refusal, nil
		}
		given := c.changes()
		for j := range promised.Asks {
			if a := &promised.Asks[j]; len(promised.Blocked) == 0 && a.By != "" && !strings.Contains(given, a.Given()) {
				return policy.Refusal{Cause: policy.Cause{Text: fmt.Sprintf("container %q would not get %s", c.Name, a.What)}}, nil
			}
		}
		for _, name := range promised.Profiles() {
			if len(promised.Blocked) == 0 && !slices.Contains(c.Profiles, name) {
				return policy.Refusal{Cause: policy.Cause{Text: fmt.Sprintf("container %q would not get profile %q", c.Name, name)}}, nil
			}
		}
		if now := &edited.Containers[i]; now.Privileged && len(promised.Blocked) == 0 {
			p.byHand = notAsMeant
		}
	}
	return wrong, nil
}

// changes are the changes of a container, in words.
func (c *containerReport) changes() string {
	var out strings.Builder
	for _, ch := range c.Changes {
		out.WriteString(ch.Change + "\n")
	}
	return out.String()
}
