// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// workloads lists the kinds that hold a pod, for messages.
const workloads = "Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob"

// document is one document while it is read.
type document struct {
	place Place
	first int // the line of the file on which its text begins
	text  []byte
	depth int // of lists and objects within others

	inner     bool   // in another object, not only in a list
	namespace string // of that one, or ""
	left      *int   // of maxAliased
	out       *File
	toEdit    bool // where its pods stand is kept
}

func (d *document) problem(line int, format string, args ...any) *Problem {
	at := d.place
	if line > 0 {
		at.Line = line
	}
	return &Problem{at, fmt.Sprintf(format, args...)}
}

func (d *document) bad(line int, format string, args ...any) {
	d.out.Problems = append(d.out.Problems, d.problem(line, format, args...))
}

func (d *document) read() {
	if trimmed := bytes.TrimSpace(d.text); len(trimmed) > 0 && trimmed[0] == '{' {
		// JSON may be indented by tabs, and has none elsewhere.
		d.text = bytes.ReplaceAll(d.text, []byte("\t"), []byte(" "))
	}
	if mayBeList(d.text) && d.readItems() {
		return
	}
	if len(d.text) > sizeLimit {
		d.bad(0, "is larger than %d MiB, and no list as kubectl prints it: split it", sizeLimit>>20)
		return
	}
	var root yaml.Node
	if err := yaml.Unmarshal(d.text, &root); err != nil {
		d.unreadable(err)
		return
	}
	if len(root.Content) == 0 {
		return
	}
	top := root.Content[0]
	d.place.Line = d.line(top.Line)
	if top.Kind != yaml.MappingNode {
		d.noObject(top, top.Line, "is no Kubernetes object: write apiVersion, kind, metadata and spec")
		return
	}
	before := len(d.out.Pods) + len(d.out.Problems) - d.out.foreign
	d.object(top, "")
	if len(d.out.Pods)+len(d.out.Problems)-d.out.foreign == before {
		d.hidden(top)
	}
}

// noObject reports a document that is nothing of Kubernetes', unless it is a template of that:
// it has no apiVersion as Kubernetes has them.
func (d *document) noObject(top *yaml.Node, line int, format string, args ...any) {
	version := field(top, "apiVersion")
	if d.depth == 0 && (templateIn(d.text) < 0 || json.Valid(d.text)) && (version == nil || version.ShortTag() != "!!str") {
		d.out.foreign++
	}
	d.unreadable(fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

// line turns a line of the document into one of the file.
func (d *document) line(n int) int { return d.first + n - 1 }

var (
	lineOf = regexp.MustCompile(`^(?:yaml: )?(?:unmarshal errors:\s+)?line (\d+): (.*)$`)
	typeOf = regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (.*)$")
)

// unreadable reports why a document cannot be read, in the words of who wrote it: a
// template is the usual reason.
func (d *document) unreadable(err error) {
	if at := templateIn(d.text); at >= 0 {
		d.bad(d.line(1+bytes.Count(d.text[:at], []byte("\n"))),
			"{{ … }} is a template: render it first, as helm template does, and explain what comes out")
		return
	}
	messages := []string{err.Error()}
	var mistyped *yaml.TypeError
	if errors.As(err, &mistyped) {
		messages = mistyped.Errors
	}
	for _, message := range messages {
		line, what := 0, strings.TrimPrefix(message, "yaml: ")
		if m := lineOf.FindStringSubmatch(message); m != nil {
			n, _ := strconv.Atoi(m[1]) // digits
			line, what = d.line(n), m[2]
		}
		if m := typeOf.FindStringSubmatch(what); m != nil {
			what = mismatch(m[1], m[2], m[3])
		}
		d.bad(line, "%s", what)
	}
}

// mismatch says what belongs where another type of value is.
func mismatch(have, value, want string) string {
	names := map[string]string{"seq": "a list", "map": "a mapping"}
	is := names[have]
	if is == "" {
		is = strconv.Quote(value)
	}
	belongs := "a mapping"
	switch want = strings.TrimPrefix(want, "*"); { // a struct is written with its fields
	case strings.HasPrefix(want, "[]"):
		belongs = "a list"
	case want == "bool":
		belongs = "true or false"
	case strings.HasPrefix(want, "int"):
		belongs = "a number"
	}
	return is + " is written where " + belongs + " belongs"
}

// isName reports whether a kind or a name has only what Kubernetes lets it
// have: both are shown on terminals.
func isName(s string) bool {
	return len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
