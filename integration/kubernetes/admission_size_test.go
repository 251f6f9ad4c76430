// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// A pod has labels and annotations that the runtime could not list to an agent. The API
// server refuses it in every namespace, and nothing that the agent accepts.
func TestAttackLargePodAtApply(t *testing.T) {
	c := granting(t, "sizes", "ci-size", "ungranted-size")
	labelled := func(labels int, annotation string) string {
		metadata := map[string]any{"name": "p", "annotations": map[string]string{"example.com/large": annotation}}
		all := map[string]string{}
		for i := range labels {
			all[fmt.Sprintf("label-%05d", i)] = strings.Repeat("x", 60)
		}
		metadata["labels"] = all
		text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
			"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "i"}}}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const want = "bytes (64 more for each), and at most 65536 can be told to a plugin of the runtime: give it fewer or shorter ones"
	for _, namespace := range []string{"ci-size", "ungranted-size", "kube-system"} {
		for name, tc := range map[string]struct {
			pod     string
			refused bool
		}{
			"ordinary":          {labelled(20, "x"), false},
			"just small enough": {labelled(300, strings.Repeat("x", 20<<10)), false},
			"many labels":       {labelled(16000, "x"), true},
			"large annotation":  {labelled(1, strings.Repeat("x", 70<<10)), true},
		} {
			out, err := c.kubectl(t, tc.pod, "-n", namespace, "create", "--dry-run=server", "-f", "-")
			if (err != nil) != tc.refused || tc.refused && !strings.Contains(fmt.Sprint(out, err), want) {
				t.Errorf("%s in %s: %.300s %.600v", name, namespace, out, err)
			}
		}
	}
}

// durationOf is what the API server itself says that checks by a policy took: how many, and
// their mean, in seconds.
func (c *api) durationOf(t *testing.T, policy string) (count, mean float64) {
	t.Helper()
	text, err := c.kubectl(t, "", "get", "--raw", "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(name, "apiserver_validating_admission_policy_check_duration_seconds_") || !strings.Contains(name, `policy="`+policy+`"`) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(name, "_sum{"):
			sum += n
		case strings.Contains(name, "_count{"):
			count += n
		}
	}
	return count, sum / max(count, 1)
}

// A policy past what the API server evaluates holds nothing up, and one past what it
// compiles is not taken.
func TestAdmissionPastItsLimits(t *testing.T) {
	c := objects(t)
	c.namespace(t, "costly")
	var policy strings.Builder
	policy.WriteString("version = 1\n")
	for i := range 1000 {
		fmt.Fprintf(&policy, "[[grants]]\nprofiles = [\"fuse\", \"tun\"]\nnamespaces = [\"costly\"]\ncontainers = [\"c-%d*x\"]\n", i)
	}
	text := rendered(t, policy.String())
	long := strings.Replace(text, "\n        [\"", "\n        [\""+strings.Repeat("a", 100_001)+"\",\"", 1) // of the names
	if out, err := c.kubectl(t, long, "create", "--dry-run=server", "-f", "-"); err == nil || !strings.Contains(err.Error(), "expression code point size exceeds limit: size: 1") {
		t.Errorf("an expression of more than 100,000 characters: %.300s, %.900v", out, err)
	}
	pod := func(containers int) string {
		var all []string
		for i := range containers {
			all = append(all, fmt.Sprintf("{name: c-%d, image: i}", i))
		}
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {profiles.nodegate.dev/pod: 'fuse, tun, kvm'}}\nspec: {containers: [" + strings.Join(all, ", ") + "]}"
	}
	create := func(containers int) string {
		_, err := c.kubectl(t, pod(containers), "-n", "costly", "create", "--dry-run=server", "-f", "-")
		return fmt.Sprint(err)
	}
	t.Cleanup(func() { // also of a test that failed; its own context has ended by then
		if _, err := c.KubectlWith(context.Background(), text, "delete", "--ignore-not-found", "-f", "-"); err != nil {
			t.Error(err)
		}
	})
	for _, failure := range []struct{ policy, want string }{{"Ignore", "<nil>"}, {"Fail", "actual cost limit exceeded"}} {
		if _, err := c.kubectl(t, strings.Replace(text, "failurePolicy: Ignore", "failurePolicy: "+failure.policy, 1), "apply", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		until(t, "admission of a small pod", func() string {
			if said := create(1); !strings.Contains(said, "not_granted") {
				return said
			}
			return ""
		})
		until(t, failure.policy, func() string {
			if said := create(60); !strings.Contains(said, failure.want) {
				return said
			}
			return ""
		})
		t.Logf("a pod of 60 containers, failurePolicy %s: %.400s", failure.policy, create(60))
	}
	if _, err := c.kubectl(t, text, "delete", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	until(t, "the rules to be gone", func() string {
		if said := create(1); said != "<nil>" {
			return said
		}
		return ""
	})
}

// rendered is what nodegate render admission prints of a policy.
func rendered(t *testing.T, policy string) string {
	t.Helper()
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "policy.toml")
	write(t, file, policy)
	text, err := exec.CommandContext(t.Context(), filepath.Join(bin, "nodegate"), "render", "admission", "--config", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
