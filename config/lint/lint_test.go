// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

var update = flag.Bool("update", false, "write what is found as what is wanted")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs.\ngot:\n%s\nwant:\n%s", file, got, want)
	}
}

func load(t *testing.T, file string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(filepath.Base(file), text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newest(t *testing.T) runtimes.Runtime {
	t.Helper()
	r, err := runtimes.Parse(runtimes.Newest)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A grant by which pods start on one release and not on another: only the releases
// that the nodes run count.
func TestAlwaysOnEachRuntime(t *testing.T) {
	ping, err := config.Parse("c", []byte("version = 1\n[[grants]]\nprofiles = [\"ping\"]\nnamespaces = [\"*\"]\napply = \"always\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if found := Check(ping, newest(t)); len(found) > 0 {
		t.Errorf("on the newest: %v", found)
	}
	c := load(t, "testdata/always_runtime/has.toml")
	for version, want := range map[string]string{
		"containerd/1.7.35": "always_runtime always_runtime every_namespace",
		"containerd/2.2.9":  "always_runtime every_namespace",
		"containerd/2.3.7":  "every_namespace", // a device for everybody
		"containerd/2.4.2":  "every_namespace",
		"other/1.0":         "always_runtime always_runtime every_namespace",
	} {
		r, err := runtimes.Parse(version)
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, f := range Check(c, r) {
			codes = append(codes, f.Code)
		}
		if got := strings.Join(codes, " "); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

// Each kind of finding has a policy that has it, and a near twin that has nothing
// of its code.
func TestFindings(t *testing.T) {
	for _, k := range All {
		t.Run(k.Code, func(t *testing.T) {
			var text strings.Builder
			on := []runtimes.Runtime{newest(t)}
			if k.Code == "always_runtime" {
				on = nil // all that are supported
			}
			found := Check(load(t, filepath.Join("testdata", k.Code, "has.toml")), on...)
			for _, f := range found {
				fmt.Fprintln(&text, f)
			}
			golden(t, filepath.Join("testdata", k.Code, "has.txt"), text.String())
			of := func(f Finding) bool { return f.Code == k.Code }
			if !slices.ContainsFunc(found, of) {
				t.Error("the policy that has it does not")
			}
			twin := Check(load(t, filepath.Join("testdata", k.Code, "not.toml")), on...)
			for _, f := range twin {
				if f.Severity == Warning || of(f) {
					t.Errorf("the twin has %s", f)
				}
			}
		})
	}
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries)-1 != len(All) { // one is FuzzCheck's
		t.Errorf("%d folders for %d kinds of findings", len(entries)-1, len(All))
	}
}

// The samples have no finding that they do not speak of, and each built-in profile
// but one has none when it is granted as its page says.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("../samples/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatalf("found %q: %v", files, err)
	}
	const demo = "../../hack/demo/policy.toml"
	for _, file := range append(files, demo, "../deploy/config.toml") {
		var on []runtimes.Runtime
		if file == demo {
			on = append(on, newest(t)) // that it runs
		}
		for _, f := range Check(load(t, file), on...) {
			if f.Accepted == "" {
				t.Errorf("%s: %s", file, f)
			}
		}
	}
}

func TestBuiltIn(t *testing.T) {
	c, err := config.Parse("c", []byte("version = 1"))
	if err != nil {
		t.Fatal(err)
	}
	apply := map[string]string{"no-mknod": "always"}
	// They are what they are.
	known := map[string]string{"mknod": "mknod_capability", "no-mknod": "always_runtime"}
	for _, p := range c.Profiles {
		text := fmt.Sprintf("version = 1\n[[grants]]\nprofiles = [%q]\nnamespaces = [\"a\"]\n", p.Name)
		if apply[p.Name] != "" {
			text += fmt.Sprintf("apply = %q\n", apply[p.Name])
		}
		c, err := config.Parse(p.Name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, f := range Check(c) {
			codes = append(codes, f.Code)
		}
		if got := strings.Join(codes, " "); got != known[p.Name] {
			t.Errorf("%s: %s, want %s", p.Name, got, known[p.Name])
		}
	}
}

// findings.txt, which docs/lints.md links to, lists each kind.
func TestDocument(t *testing.T) {
	var b strings.Builder
	for _, k := range All {
		fmt.Fprintf(&b, "%s (%s)\n    %s\n", k.Code, k.Severity, strings.ReplaceAll(k.Title, "`", ""))
	}
	golden(t, "findings.txt", b.String())
}

func TestCheckIsStable(t *testing.T) {
	c := load(t, "../samples/config.toml")
	if a, b := fmt.Sprint(Check(c)), fmt.Sprint(Check(c)); a != b {
		t.Errorf("%s, then %s", a, b)
	}
}
