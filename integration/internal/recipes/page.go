// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package recipes reads docs/recipes.md and its manifests: what tests run of them, on a cluster
// and on a machine.
package recipes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// What of the tree is read.
const (
	page      = "docs/recipes.md"
	manifests = "docs/recipes/"
	packages  = "hack/images/"
)

// Images are the test images that have what the recipes' have, the smallest first.
var Images = []string{"tools", "systemd", "nested"}

// Recipe is one of the page, as it is there.
type Recipe struct {
	Title, Policy string
	Objects       []string // the namespace first, the pod last
	Console       []Transcript

	Namespace, Level, Pod string
	Image                 string // the test image that has its packages

	packages string
}

// Transcript is a command and what it prints.
type Transcript struct{ Command, Want string }

// Files are what Read reads, below the tree's top.
func Files(t *testing.T, top string) []string {
	t.Helper()
	all := []string{page}
	files, err := os.ReadDir(filepath.Join(top, manifests))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		all = append(all, manifests+file.Name())
	}
	for _, name := range Images {
		all = append(all, packages+name+".packages")
	}
	return all
}

var (
	block     = regexp.MustCompile("(?ms)^```(toml|console)\n(.*?)^```")
	link      = regexp.MustCompile(`\(recipes/(\w+\.yaml)\)`)
	imageLine = regexp.MustCompile("(?m)^Image: (?:Debian 12 with `([^`]+)`|any)")
	resource  = regexp.MustCompile(`(?m)^    resources:\n      limits:\n        nodegate\.dev/.*\n`)
	imageName = regexp.MustCompile(`registry\.example/\S+`)
)

// Read reads the recipes of a tree for a node that has no kubelet: those whose pods ask by
// an annotation.
func Read(t *testing.T, top string) map[string]*Recipe {
	t.Helper()
	all := ReadAll(t, top)
	maps.DeleteFunc(all, func(_ string, r *Recipe) bool { return resource.MatchString(r.Objects[len(r.Objects)-1]) })
	return all
}

// ReadAll reads the page of a tree. Every recipe of it is whole, and the table at its top
// says of each what its manifest does.
func ReadAll(t *testing.T, top string) map[string]*Recipe {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, page))
	if err != nil {
		t.Fatal(err)
	}
	table, rest, _ := strings.Cut(string(text), "\n## ")
	all := map[string]*Recipe{}
	for _, section := range strings.Split(rest, "\n## ") {
		r := readRecipe(t, top, section)
		if r.Policy == "" || !imageLine.MatchString(section) || len(r.Objects) < 2 || len(r.Console) < 2 || r.Namespace == "" || r.Level == "" || r.Pod == "" {
			t.Fatalf("%s: the recipe %q is not whole: %+v", page, r.Title, r)
		}
		carrier := "NRI"
		if strings.Contains(r.Objects[len(r.Objects)-1], "runtimeClassName") {
			carrier = "the wrapper"
		}
		anchor := strings.ReplaceAll(strings.ToLower(r.Title), " ", "-")
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| \[[^\]]+\]\(#%s\) \| [^|]+ \| %s \| %s\b.*$`, anchor, r.Level, carrier))
		if !row.MatchString(table) {
			t.Errorf("%s: no row of the table says %q, %s, %s", page, anchor, r.Level, carrier)
		}
		r.Image = r.image(t, top)
		all[r.Title] = r
	}
	return all
}

func readRecipe(t *testing.T, top, section string) *Recipe {
	t.Helper()
	r := &Recipe{}
	r.Title, _, _ = strings.Cut(section, "\n")
	r.packages = submatch(imageLine, section)
	r.readManifest(t, filepath.Join(top, manifests, submatch(link, section)))
	for _, m := range block.FindAllStringSubmatch(section, -1) {
		switch m[1] {
		case "toml":
			r.Policy = m[2]
		case "console":
			for _, one := range strings.Split(strings.TrimPrefix(m[2], "$ "), "\n$ ") {
				command, want, _ := strings.Cut(one, "\n")
				r.Console = append(r.Console, Transcript{command, strings.TrimSuffix(want, "\n")})
			}
		}
	}
	return r
}

func (r *Recipe) readManifest(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.Objects = strings.Split(string(text), "---\n")
	r.Namespace = submatch(regexp.MustCompile(`(?m)^kind: Namespace\nmetadata:\n  name: (\S+)$`), string(text))
	r.Level = submatch(regexp.MustCompile(`(?m)^    pod-security.kubernetes.io/enforce: (\S+)$`), string(text))
	r.Pod = submatch(regexp.MustCompile(`(?m)^  name: (\S+)$`), r.Objects[len(r.Objects)-1])
}

func submatch(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// image is the test image that has the recipe's packages.
func (r *Recipe) image(t *testing.T, top string) string {
	t.Helper()
	for _, name := range Images {
		text, err := os.ReadFile(filepath.Join(top, packages+name+".packages"))
		if err != nil {
			t.Fatal(err)
		}
		var has []string
		for line := range strings.Lines(string(text)) {
			line, _, _ = strings.Cut(line, "#")
			has = append(has, strings.TrimSpace(line))
		}
		if !slices.ContainsFunc(strings.Fields(r.packages), func(p string) bool { return !slices.Contains(has, p) }) {
			return name
		}
	}
	t.Fatalf("no image of hack/images has %s", r.packages)
	return ""
}

// Manifest is the recipe's pod with the test image's name, after changes that each have to
// have an effect: a regular expression, and what to write instead.
func (r *Recipe) Manifest(t *testing.T, changes ...string) string {
	t.Helper()
	pod := r.Objects[len(r.Objects)-1]
	for i := 0; i < len(changes); i += 2 {
		changed := regexp.MustCompile(changes[i]).ReplaceAllString(pod, changes[i+1])
		if changed == pod {
			t.Fatalf("%q is not in\n%s", changes[i], pod)
		}
		pod = changed
	}
	return imageName.ReplaceAllString(pod, node.ImageName(r.Image))
}

// Named is the change that gives a recipe's pod another name.
func Named(name string) []string { return []string{`(?m)^  name: .*$`, "  name: " + name} }

// Without are the changes that make the pod that the page calls "without".
func Without() []string {
	return append(Named("without"), `(?m)^  annotations:\n    profiles\..*\n|`+resource.String(), "")
}
