// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page's evidence gives the page's output.
func TestLearnPage(t *testing.T) {
	const name = "../../docs/learn.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```jsonl\n(.*?)```\n\n    \\$ nodegate learn --from vpn.jsonl\n(.*?\n)\n[^ \n]").FindSubmatch(page)
	if found == nil {
		t.Fatal("the page has no evidence and its output")
	}
	var out bytes.Buffer
	cmd := learnCommand()
	cmd.SetArgs([]string{"--from", "-"})
	cmd.SetIn(bytes.NewReader(found[1]))
	cmd.SetOut(&out)
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimRight(indented(out.String()), "\n") + "\n"
	if *update {
		page = bytes.Replace(page, found[2], []byte(want), 1)
		if err := os.WriteFile(name, page, 0o644); err != nil { //nolint:gosec // part of the repository
			t.Fatal(err)
		}
	} else if string(found[2]) != want {
		t.Errorf("the page shows\n%swant\n%s", found[2], want)
	}
}
