// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite what is generated")

// value is what values.schema.json says of one value, or of a group of them.
type value struct {
	Name        string
	Description string
	Default     json.RawMessage
	Properties  values
}

// values keep the order in which they are written.
type values []*value

func (v *values) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil { // {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		one := &value{Name: name.(string)}
		if err := d.Decode(one); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*v = append(*v, one)
	}
	return nil
}

func schema(t *testing.T) values {
	t.Helper()
	var top value
	must(t, json.Unmarshal(read(t, "chart/values.schema.json"), &top))
	if len(top.Properties) < 20 {
		t.Fatalf("%d values", len(top.Properties))
	}
	return top.Properties
}

// walk visits values and groups, each with its full name.
func (v values) walk(prefix string, visit func(name string, depth int, one *value)) {
	for _, one := range v {
		name := prefix + one.Name
		visit(name, strings.Count(name, "."), one)
		one.Properties.walk(name+".", visit)
	}
}

// Each value is described once, in values.schema.json. values.yaml is made from that, and
// docs/kubernetes.md names no value that there is not.
func TestValuesAreDocumented(t *testing.T) {
	all := schema(t)
	generated(t, "chart/values.yaml", []byte(valuesYAML(all)))

	have := map[string]bool{}
	all.walk("", func(name string, _ int, _ *value) { have[name] = true })
	named := regexp.MustCompile("[`, ](?:--set )?([a-z]\\w*(?:\\.[a-z]\\w*)+)=")
	found := named.FindAllStringSubmatch(string(read(t, "../../docs/kubernetes.md")), -1)
	if len(found) < 5 {
		t.Errorf("docs/kubernetes.md sets %d values", len(found))
	}
	for _, m := range found {
		if !have[m[1]] {
			t.Errorf("docs/kubernetes.md sets %s, which there is not", m[1])
		}
	}
}

func valuesYAML(all values) string {
	out := &strings.Builder{}
	out.WriteString("# The chart's values, made from values.schema.json: make manifests\n")
	all.walk("", func(_ string, depth int, one *value) {
		indent := strings.Repeat("  ", depth)
		switch {
		case one.Properties != nil:
			fmt.Fprintf(out, "\n%s# %s\n%s%s:\n", indent, plain(one.Description), indent, one.Name)
		case one.Default != nil:
			if depth == 0 {
				out.WriteString("\n")
			}
			fmt.Fprintf(out, "%s# %s\n%s%s: %s\n", indent, plain(one.Description), indent, one.Name, spaced(one.Default))
		}
	})
	return out.String()
}

// plain takes the links out of a description.
func plain(text string) string {
	for {
		before, rest, ok := strings.Cut(text, "](")
		if !ok {
			return text
		}
		open := strings.LastIndex(before, "[")
		_, after, _ := strings.Cut(rest, ")")
		text = before[:open] + before[open+1:] + after
	}
}

// spaced writes a default as it is written in YAML by hand.
func spaced(data json.RawMessage) string {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		panic(err) // it has been read once
	}
	line, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		panic(err)
	}
	text := strings.NewReplacer("{\n", "{ ", "\n}", " }", "[\n", "[", "\n]", "]", ",\n", ", ", "\t", "").Replace(string(line))
	return strings.NewReplacer("\n}", " }", "\n]", "]").Replace(text)
}

// generated compares a file with what it should be, or makes it so.
func generated(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, want, 0o644))
		return
	}
	if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not what it is made from (%v): make manifests", name, err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	return text
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
