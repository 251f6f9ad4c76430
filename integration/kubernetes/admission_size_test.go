// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
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
