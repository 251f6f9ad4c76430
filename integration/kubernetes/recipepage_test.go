// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

const recipePage = "../../docs/recipes.md"

// recipeImages are the test images that have what the recipes' have, the smallest first.
var recipeImages = []string{"tools", "systemd", "nested"}

// recipe is one of docs/recipes.md, as it is there.
type recipe struct {
	title, policy, packages string
	objects                 []string // the namespace first, the pod last
	console                 []transcript

	namespace, level, pod string
}

// transcript is a command and what it prints.
type transcript struct{ command, want string }

var (
	block     = regexp.MustCompile("(?ms)^```(toml|yaml|console)\n(.*?)^```")
	imageLine = regexp.MustCompile("(?m)^Image: Debian 12 with `([^`]+)`")
	imageName = regexp.MustCompile(`registry\.example/\S+`)
)

// recipes reads the page. Every recipe of it is whole, and the table at its top says of
// each what its manifest does.
func recipes(t *testing.T) map[string]*recipe {
	t.Helper()
	text, err := os.ReadFile(recipePage)
	if err != nil {
		t.Fatal(err)
	}
	top, rest, _ := strings.Cut(string(text), "\n## ")
	all := map[string]*recipe{}
	for _, section := range strings.Split(rest, "\n## ") {
		r := readRecipe(section)
		if r.policy == "" || r.packages == "" || len(r.objects) < 2 || len(r.console) < 2 || r.namespace == "" || r.level == "" || r.pod == "" {
			t.Fatalf("%s: the recipe %q is not whole: %+v", recipePage, r.title, r)
		}
		carrier := "NRI"
		if strings.Contains(r.objects[len(r.objects)-1], "runtimeClassName") {
			carrier = "the wrapper"
		}
		anchor := strings.ReplaceAll(strings.ToLower(r.title), " ", "-")
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| \[[^\]]+\]\(#%s\) \| [^|]+ \| %s \| %s\b.*$`, anchor, r.level, carrier))
		if !row.MatchString(top) {
			t.Errorf("%s: no row of the table says %q, %s, %s", recipePage, anchor, r.level, carrier)
		}
		all[r.title] = r
	}
	return all
}

func readRecipe(section string) *recipe {
	r := &recipe{}
	r.title, _, _ = strings.Cut(section, "\n")
	r.packages = submatch(imageLine, section)
	for _, m := range block.FindAllStringSubmatch(section, -1) {
		switch m[1] {
		case "toml":
			r.policy = m[2]
		case "yaml":
			r.objects = strings.Split(m[2], "---\n")
			r.namespace = submatch(regexp.MustCompile(`(?m)^kind: Namespace\nmetadata:\n  name: (\S+)$`), m[2])
			r.level = submatch(regexp.MustCompile(`(?m)^    pod-security.kubernetes.io/enforce: (\S+)$`), m[2])
			r.pod = submatch(regexp.MustCompile(`(?m)^  name: (\S+)$`), r.objects[len(r.objects)-1])
		case "console":
			for _, one := range strings.Split(strings.TrimPrefix(m[2], "$ "), "\n$ ") {
				command, want, _ := strings.Cut(one, "\n")
				r.console = append(r.console, transcript{command, strings.TrimSuffix(want, "\n")})
			}
		}
	}
	return r
}

func submatch(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// image is the test image that has the recipe's packages.
func (r *recipe) image(t *testing.T) string {
	t.Helper()
	for _, name := range recipeImages {
		text, err := os.ReadFile("../../hack/images/" + name + ".packages")
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

// manifest is the recipe's pod with the test image's name, after changes that each have to
// have an effect: a regular expression, and what to write instead.
func (r *recipe) manifest(t *testing.T, changes ...string) string {
	t.Helper()
	pod := r.objects[len(r.objects)-1]
	for i := 0; i < len(changes); i += 2 {
		changed := regexp.MustCompile(changes[i]).ReplaceAllString(pod, changes[i+1])
		if changed == pod {
			t.Fatalf("%q is not in\n%s", changes[i], pod)
		}
		pod = changed
	}
	return imageName.ReplaceAllString(pod, node.ImageName(r.image(t)))
}

// The changes that make another pod of a recipe's.
var (
	named    = func(name string) []string { return []string{`(?m)^  name: .*$`, "  name: " + name} }
	noAsking = []string{`(?m)^  annotations:\n    profiles\..*\n`, ""}
)

// words are a command's as the shell takes it apart.
func words(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\0' `+command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// printed is what a terminal shows of a command's output and errors.
func printed(out string, err error) string {
	if err != nil {
		text := err.Error()
		if _, after, ok := strings.Cut(text, ": exit status "); ok {
			_, text, _ = strings.Cut(after, ": ")
		}
		out = strings.TrimRight(out, "\r\n") + "\n" + text
	}
	out = regexp.MustCompile(`\x1b(c|\[[0-9;?]*[A-Za-z])|\r`).ReplaceAllString(out, "")
	return strings.Trim(out, "\n")
}

// pattern is a regular expression of what a page shows: … is anything of a line, and on a line
// of its own any lines.
func pattern(want string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.Lines(want + "\n") {
		if line == "…\n" {
			b.WriteString(`(.*\n)*?`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile(`\A` + b.String() + `\z`)
}

// What the page shows is compared whole.
func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		want, got string
		match     bool
	}{
		{"hello", "hello", true},
		{"hello", "hello\nworld", false},
		{"hello", "world\nhello", false},
		{"hello", "", false},
		{"1.0", "1x0", false},
		{"a … c", "a b c", true},
		{"a … c", "a b\nc", false},
		{"…\nlast", "one\ntwo\nlast", true},
		{"…\nlast", "last", true},
		{"first\n…", "first\nlast", true},
		{"first\n…", "last", false},
		{"first\n…\nlast", "first\nlast", true},
	} {
		if got := pattern(tc.want).MatchString(tc.got + "\n"); got != tc.match {
			t.Errorf("%q shown for %q: %v", tc.want, tc.got, got)
		}
	}
	err := fmt.Errorf("kubernetes kubectl exec: %w: %s", errors.New("exit status 1"), "sh: no\ncommand terminated with exit code 1")
	if got := printed("\x1bc\x1b[?7l\x1b[2Jout\r\n", err); got != "out\nsh: no\ncommand terminated with exit code 1" {
		t.Errorf("%q", got)
	}
}
