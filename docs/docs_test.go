// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package docs has no code: its tests hold the documentation to what the code
// does.
package docs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages are all pages of the documentation.
func pages(t *testing.T) []string {
	t.Helper()
	here, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(here, "../README.md", "../CONTRIBUTING.md", "../CHANGELOG.md")
}

var fence = regexp.MustCompile("(?ms)^```toml([^\n]*)\n(.*?)^```")

// Every policy that a page shows loads; one that is marked "toml bad" does not.
func TestPolicies(t *testing.T) {
	for _, page := range []string{"policy.md", "recipes.md", "lints.md", "nested.md", "migration.md", "../README.md"} {
		text := read(t, page)
		found := fence.FindAllStringSubmatchIndex(text, -1)
		if len(found) == 0 {
			t.Errorf("%s shows no policy", page)
		}
		for _, at := range found {
			line := 1 + strings.Count(text[:at[0]], "\n")
			_, err := config.Parse(fmt.Sprintf("%s, block on line %d", page, line), []byte(text[at[4]:at[5]]))
			bad := strings.TrimSpace(text[at[2]:at[3]]) == "bad"
			if (err != nil) != bad {
				t.Errorf("%s:%d: %v", page, line, err)
			}
		}
	}
}

// The README's first pod gets what it asks for by the policy of the demo.
func TestPodOfTheDemo(t *testing.T) {
	c, err := config.Parse("policy.toml", []byte(read(t, "../hack/demo/policy.toml")))
	if err != nil {
		t.Fatal(err)
	}
	pod := block.FindStringSubmatch(read(t, "../README.md"))
	if pod == nil || pod[1] != "yaml" {
		t.Fatalf("README.md shows no pod first: %q", pod)
	}
	checkPod(t, c.Policy, "# gets: ping, fuse\n"+pod[2])
}

// policy.md, or a comment of the sample, explains every key of a policy; the page names every
// built-in profile.
func TestReferenceIsComplete(t *testing.T) {
	page, sample := read(t, "policy.md"), read(t, "../config/samples/config.toml")
	header := regexp.MustCompile(`(?m)^(\w+)\s*=|[{,] ?(\w+) =`)
	for _, m := range header.FindAllStringSubmatch(read(t, "../config/testdata/good/everything.toml"), -1) {
		key := m[1] + m[2]
		if key == "container" || key == "EMPTY" { // an environment's
			continue
		}
		if !regexp.MustCompile("`(\\w+\\.)?"+key+"`").MatchString(page) && !regexp.MustCompile(`(?m)^`+key+`\s+= .+ # `).MatchString(sample) {
			t.Errorf("neither policy.md nor config/samples/config.toml explains the key %q", key)
		}
	}
	c, err := config.Parse("config.toml", []byte("version = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Profiles {
		if !strings.Contains(page, "\n- `"+p.Name+"`: ") {
			t.Errorf("policy.md does not name the built-in profile %q", p.Name)
		}
	}
}

// Every code that a refusal or a decision can have is explained.
func TestCodesAreExplained(t *testing.T) {
	page := read(t, "troubleshooting.md")
	codes := regexp.MustCompile(`Code = "(\w+)"`).FindAllStringSubmatch(read(t, "../plugin/policy/reason.go"), -1)
	if len(codes) < 10 {
		t.Fatalf("found %d codes", len(codes))
	}
	for _, m := range codes {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("troubleshooting.md does not explain %q", m[1])
		}
	}
}

// A test that a page or testdata/evidence.txt names exists.
func TestEvidenceExists(t *testing.T) {
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			have[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	for _, page := range append(pages(t), "testdata/evidence.txt") {
		for _, m := range named.FindAllStringSubmatch(read(t, page), -1) {
			if !have[m[1]] {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// A link to a file of this repository leads to one, and one to a heading to a
// heading.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if filepath.Base(file) == "support-matrix.md" {
				continue // written by a test run
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if anchor != "" && !hasHeading(read(t, file), anchor) {
				t.Errorf("%s: %s has no heading %q", page, file, anchor)
			}
		}
	}
}

// hasHeading compares as GitHub names its anchors.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(text) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		var name bytes.Buffer
		for _, r := range strings.ToLower(strings.TrimSpace(title)) {
			switch {
			case r == ' ':
				name.WriteByte('-')
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				name.WriteRune(r)
			}
		}
		if name.String() == anchor {
			return true
		}
	}
	return false
}
