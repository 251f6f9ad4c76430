// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"encoding/json"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// Probe asks a question in the container and returns the answer.
func Probe(t *testing.T, c *node.Container, question ...string) string {
	t.Helper()
	answer, err := c.Probe(t.Context(), question...)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Expect asks a question, which is one line of words, and compares the answer.
func Expect(t *testing.T, c *node.Container, question, want string) {
	t.Helper()
	ExpectEach(t, c, []QA{{question, want}})
}

// QA is a question and the answer that it should get.
type QA [2]string

// ExpectEach asks questions in their order. It costs one exec, however many there are.
func ExpectEach(t *testing.T, c *node.Container, all []QA) {
	t.Helper()
	questions := make([]string, len(all))
	for i := range all {
		questions[i] = all[i][0]
	}
	for i, got := range Ask(t, c, questions...) {
		if got != all[i][1] {
			t.Errorf("%s in container %q: %q, want %q", all[i][0], c.Config.Name, got, all[i][1])
		}
	}
}

// Ask asks questions and returns the answers, in their order.
func Ask(t *testing.T, c *node.Container, questions ...string) []string {
	t.Helper()
	var answers []string
	text := Probe(t, c, append([]string{"each"}, questions...)...)
	if err := json.Unmarshal([]byte(text), &answers); err != nil || len(answers) != len(questions) {
		t.Fatalf("asking %q: %s", questions, text)
	}
	return answers
}

// File is what the probe's stat answers.
type File struct {
	Type, Mode   string
	UID, GID     uint32
	Major, Minor uint32
}

// Stat is what the container sees of a file.
func Stat(t *testing.T, c *node.Container, path string) File {
	t.Helper()
	return ParseFile(t, Ask(t, c, "stat "+path)[0])
}

// ParseFile reads an answer to the question "stat".
func ParseFile(t *testing.T, answer string) File {
	t.Helper()
	var f File
	if err := json.Unmarshal([]byte(answer), &f); err != nil {
		t.Fatalf("stat: %s", answer)
	}
	return f
}
