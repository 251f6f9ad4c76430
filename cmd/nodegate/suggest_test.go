// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// proposed reads manifests and proposes for them.
func proposed(t *testing.T, path string) *suggestion {
	t.Helper()
	s := &suggestion{options: &suggestOptions{files: []string{path}, runtime: runtimes.Newest}, builtIn: true}
	if err := s.read(&cobra.Command{}); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("built-in", []byte(emptyPolicy))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.propose(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// What is proposed holds: the policy is one without errors, and under it the
// engine gives every container of the changed manifest what its proposal says.
// Without the grants it gives nothing of that.
func TestProposalsHold(t *testing.T) {
	files, err := filepath.Glob("testdata/manifests/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			s := proposed(t, file)
			text := emptyPolicy + s.set.Policy()
			profiles, _, _ := strings.Cut(text, "[[grants]]")
			granted, bare := engine(t, s, text), engine(t, s, profiles)
			if s.files[0].edited == nil {
				t.Fatal("no manifest is to be changed")
			}
			again := manifest.Read(file, bytes.NewReader(s.files[0].edited))
			tried := 0
			for i, p := range s.pods {
				for j := range p.proposal.Containers {
					promised, c := &p.proposal.Containers[j], &again.Pods[i].Containers[j]
					if len(promised.Blocked) > 0 {
						continue
					}
					if c.Privileged {
						t.Errorf("%s: container %q is privileged", p.pod().Name, c.Name)
					}
					if want := promised.Profiles(); len(want) > 0 {
						tried++
						granted.holds(t, &again.Pods[i], c, want, promised.Asks)
						if _, err := bare.decide(&again.Pods[i], c); err == nil && len(p.pod().Annotations) == 0 {
							t.Errorf("%s: container %q starts without a grant", p.pod().Name, c.Name)
						}
					}
				}
			}
			if tried == 0 {
				t.Error("nothing is proposed")
			}
		})
	}
}

// decider decides by a policy as the agent does, on a node with all devices.
type decider struct{ *explainer }

func engine(t *testing.T, s *suggestion, text string) *decider {
	t.Helper()
	c, err := config.Parse("proposal", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if count, _ := lint.Count(lint.Check(c)); count[lint.Error] > 0 {
		t.Errorf("%d errors in\n%s", count[lint.Error], text)
	}
	e, err := s.explainer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.host.Close() })
	e.config = c
	return &decider{e}
}

func (d *decider) decide(p *manifest.Pod, c *manifest.Container) (plugin.Plan, error) {
	handler, _ := d.handlerOf(p, nil)
	p.CgroupNamespace = true
	s := d.subjectOf(p, c, handler, map[string]policy.GivenSysctl{})
	return plugin.Decide(d.config.Policy, &d.runtime, d.host, &s.request, func() plugin.Subject { return s })
}

func (d *decider) holds(t *testing.T, p *manifest.Pod, c *manifest.Container, want []string, asks []suggest.Ask) {
	t.Helper()
	plan, err := d.decide(p, c)
	if err != nil {
		t.Errorf("%s: %v", p.Name, err)
		return
	}
	got := plan.Decision.Profiles
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: container %q gets %q, and %q were proposed", p.Name, c.Name, got, want)
	}
	var given strings.Builder
	for _, change := range plan.Deliveries(d.config.Policy.Wrapped(p.RuntimeClass)) {
		given.WriteString(change.Text + "\n")
	}
	for i := range asks {
		if asks[i].By != "" && !strings.Contains(given.String(), asks[i].Given()) {
			t.Errorf("%s: container %q does not get %s:\n%s", p.Name, c.Name, asks[i].What, &given)
		}
	}
}

// A manifest that is edited changes in what was proposed alone, and the patch of an
// edited manifest proposes nothing more to change.
func TestProposalsEnd(t *testing.T) {
	files, _ := filepath.Glob("testdata/manifests/*.yaml")
	for _, file := range files {
		s := proposed(t, file)
		changed := filepath.Join(t.TempDir(), "changed.yaml")
		if err := os.WriteFile(changed, s.files[0].edited, 0o600); err != nil {
			t.Fatal(err)
		}
		again := proposed(t, changed)
		if again.files[0].edited != nil && string(again.diff()) != "" {
			t.Errorf("%s: a second time\n%s", file, again.diff())
		}
	}
}

// docs/migration.md shows what the command says of these manifests.
func TestMigrationShowsARun(t *testing.T) {
	page, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("testdata")
	var out bytes.Buffer
	if err := proposed(t, "manifests").write(&out); err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(out.String(), "\nMANIFEST")
	table, _, _ = strings.Cut("MANIFEST"+table, "\n\nChange")
	if !strings.Contains(string(page), indented(table)) {
		t.Errorf("migration.md does not show\n%s", indented(table))
	}
}
