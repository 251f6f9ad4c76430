// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README's way onto a cluster: its commands, its policy, its pod, and what the pod
// prints. Only the image's name is another, since there is no registry.
func TestQuickStart(t *testing.T) {
	k := own(t)
	k.documented()
	image, err := k.Import(t.Context(), "tools")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(text), "\n## Put it on a cluster\n")
	page, _, _ = strings.Cut(page, "\n## ")
	block := func(pattern string) string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(page)
		if m == nil {
			t.Fatalf("the README has nothing like %s", pattern)
		}
		return m[1]
	}
	file := t.TempDir() + "/policy.toml"
	write(t, file, block("(?s)```toml\n(.*?)```"))
	ran := 0
	for line := range strings.Lines(page) {
		command := strings.Fields(strings.NewReplacer("policy=policy.toml", "policy="+file, "config/deploy/chart", chart).Replace(line))
		switch {
		case !strings.HasPrefix(line, "    ") || len(command) == 0:
			continue
		case command[0] == "kubectl":
			k.do(command[1:]...)
		case command[0] == "helm":
			k.helm(command[1:]...)
		default:
			continue // the image is there
		}
		ran++
	}
	if ran != 3 {
		t.Fatalf("the README has %d commands for the cluster, and 3 are known", ran)
	}
	k.rollout()
	k.namespace("ci")
	pod := block("(?s)```yaml\n(.*?)```")
	k.apply(strings.Replace(pod, "image: debian:12", "image: "+image+"\n      imagePullPolicy: Never", 1))
	k.ready("ci", "build")
	want := strings.Fields(block(`logs build\n    (.*)\n`))
	// A container that runs may not have printed yet. The time is its own.
	k.eventually("the pod prints what the README says", func() error {
		got := strings.Fields(k.get("-n", "ci", "logs", "build"))
		if len(got) < 10 || strings.Join(got[:6], " ") != strings.Join(want[:6], " ") || got[9] != want[9] {
			return fmt.Errorf("the pod prints %q, and the README says %q", got, want)
		}
		return nil
	})
}
