// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
)

// docs/learn.md shows what a trial says.
func TestVerifiedText(t *testing.T) {
	v := &verified{Works: true, Seen: endedWell, ends: map[string]string{"main": endedWell},
		Verdicts: []suggest.Verdict{
			{Entry: suggest.Entry{Container: "main", What: "/dev/fuse"}, Result: suggest.Used},
			{Entry: suggest.Entry{Container: "main", What: "/dev/net/tun"}, Result: suggest.Unknown},
			{Entry: suggest.Entry{Container: "main", What: "asks for CAP_SYS_NICE (main, by setpriority): EPERM"}, Result: suggest.Denied},
		},
		Minimized: []suggest.Removed{
			{Entry: suggest.Entry{Container: "main", What: "/dev/fuse"}, Needed: true, Seen: "ended with status 1"},
			{Entry: suggest.Entry{Container: "main", What: "/dev/net/tun"}, Seen: endedWell},
		}}
	var out strings.Builder
	v.write(&out)
	page, err := os.ReadFile("../../docs/learn.md")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.TrimRight(indented(out.String()), "\n"); !strings.Contains(string(page), text) {
		t.Errorf("docs/learn.md does not show\n%s", text)
	}
	v.ends["main"] = "ended with status 3"
	out.Reset()
	v.write(&out)
	if want := "EPERM  denied, program ended with status 3\n"; !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, &out)
	}
}

// Whether all works is said by the check, or by how the containers ended.
func TestAttemptWorks(t *testing.T) {
	ended := func(code int32) cri.Ended { return cri.Ended{Ended: true, Code: code} }
	refused := "container \"a\" is refused"
	for name, tc := range map[string]struct {
		check, refused string
		checked        bool
		ended          map[string]cri.Ended
		works, goesOn  bool
		seen           string
	}{
		"all ended":          {ended: map[string]cri.Ended{"a": ended(0), "b": ended(0)}, works: true, goesOn: true, seen: `container "a" ended with status 0, container "b" ended with status 0`},
		"one ended badly":    {ended: map[string]cri.Ended{"a": ended(0), "b": ended(7)}, seen: `container "a" ended with status 0, container "b" ended with status 7`},
		"one goes on":        {ended: map[string]cri.Ended{"a": ended(0), "b": {}}, goesOn: true, seen: `container "a" ended with status 0, container "b" went on`},
		"one did not start":  {ended: map[string]cri.Ended{"a": {}}, seen: `container "a" went on, container "b" did not start`},
		"it is refused":      {refused: refused, ended: map[string]cri.Ended{"a": ended(0), "b": ended(0)}, seen: refused},
		"the check succeeds": {check: "true", checked: true, ended: map[string]cri.Ended{"a": {}, "b": {}}, works: true, seen: "the check succeeds"},
		"the check fails, whatever the containers do": {check: "true", ended: map[string]cri.Ended{"a": ended(0), "b": ended(0)},
			seen: `the check does not succeed: container "a" ended with status 0, container "b" ended with status 0`},
	} {
		t.Run(name, func(t *testing.T) {
			a := &attempt{trial: &trial{learnOptions: &learnOptions{succeeds: tc.check}, containers: []string{"a", "b"}}, ended: tc.ended, checked: tc.checked}
			if tc.refused != "" {
				a.refused.Store(&tc.refused)
			}
			if works, seen := a.works(); works != tc.works || seen != tc.seen || a.goesOn() != tc.goesOn {
				t.Errorf("works %v, goes on %v: %s", works, a.goesOn(), seen)
			}
		})
	}
}

// A check is executed by itself, or by a shell where it takes one.
func TestCheckArguments(t *testing.T) {
	for command, want := range map[string][]string{
		" test  -e /x": {"test", "-e", "/x"},
		"a && b":       {"sh", "-c", "a && b"},
		"a 'b c'":      {"sh", "-c", "a 'b c'"},
		"echo $HOME":   {"sh", "-c", "echo $HOME"},
	} {
		if got := argv(command); !slices.Equal(got, want) {
			t.Errorf("%q: %q", command, got)
		}
	}
}
