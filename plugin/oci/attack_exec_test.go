// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/oci"
)

// A command for exec contains words that look like options of the runtime. The wrapper
// does not take them for options.
func TestAttackExecWords(t *testing.T) {
	want := oci.Call{Verb: "exec", ID: "c1", Process: "/p", Root: "/r"}
	for name, words := range map[string]string{
		"another process":        "--process /other",
		"the same in one word":   "--process=/other",
		"the short one":          "-p /other",
		"another root":           "--root /other",
		"another container":      "c2",
		"another command":        "create --bundle /b c2",
		"help":                   "--help",
		"a version":              "--version",
		"the end of options":     "-- --process /other",
		"options after that":     "ls -- -p /other",
		"an option of no name":   "--future --process /other",
		"the log":                "--log /other --log-format text",
		"a line break":           "sh -c \n--process\n/other",
		"thousands of them":      strings.Repeat("--process /other ", 5000),
		"what is no text at all": "\xff\xfe --process \xff",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := oci.ParseArgs(append(strings.Fields("--root /r exec --process /p c1"), strings.Split(words, " ")...))
			if err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A process for exec asks for more capabilities than its container was left with. It
// does not get them, or does not start.
func TestAttackExecProcess(t *testing.T) {
	n := newNode(t)
	n.spec(0, n.decide(mknod), "{}")
	if got := n.create(); got.status != 42 {
		t.Fatalf("%+v", got)
	}
	for name, tc := range map[string]struct{ process, refusal string }{
		"in each set":          {`{"user":{"uid":0},"capabilities":{"bounding":["CAP_KILL"],"effective":["CAP_KILL"],"permitted":["CAP_KILL"],"inheritable":["CAP_KILL"],"ambient":["CAP_KILL"]}}`, ""},
		"as another user":      {`{"user":{"uid":1000},"capabilities":{"ambient":["CAP_KILL"],"inheritable":["CAP_KILL"]}}`, ""},
		"many times":           {`{"user":{"uid":0},"capabilities":{"bounding":["CAP_KILL","CAP_KILL","CAP_KILL"]}}`, ""},
		"in its words":         {`{"user":{"uid":0},"args":["sh","\"capabilities\":{\"bounding\":[\"CAP_ALL\"]}"],"capabilities":{"bounding":["CAP_KILL"]}}`, ""},
		"by an escape":         {`{"user":{"uid":0},"c\u0061pabilities":{"bounding":["CAP_\u004bILL"]}}`, ""},
		"said twice":           {`{"user":{"uid":0},"capabilities":{},"capabilities":{"bounding":["CAP_KILL"]}}`, "would not agree"},
		"said in another case": {`{"user":{"uid":0},"capabilities":{},"Capabilities":{"bounding":["CAP_KILL"]}}`, "would not agree"},
		"a set in another":     {`{"user":{"uid":0},"capabilities":{"bounding":[],"Bounding":["CAP_KILL"]}}`, "would not agree"},
		"as text":              {`{"user":{"uid":0},"capabilities":"CAP_KILL"}`, "is not an object"},
		"a second document":    {`{"user":{"uid":0}}{"capabilities":{"bounding":["CAP_KILL"]}}`, "is not JSON"},
		"a user of no number":  {`{"user":{"uid":"0"},"capabilities":{"bounding":["CAP_KILL"]}}`, "uid"},
	} {
		t.Run(name, func(t *testing.T) {
			n.t = t
			n.write("process.json", tc.process, 0o600)
			got := n.run("--log", n.log, "--log-format", "json", "exec", "--process", n.path("process.json"), "c1")
			if tc.refusal != "" {
				n.wantRefused(got, tc.refusal)
				return
			}
			text, err := os.ReadFile(n.path("process.json"))
			if err != nil {
				t.Fatal(err)
			}
			if got.status != 42 || strings.Contains(string(text), `"CAP_KILL"`) || strings.Contains(string(text), `u004b`) {
				t.Errorf("%+v: %s", got, text)
			}
		})
	}
}
