// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"testing"
)

// Of a pod's labels those are kept that the policy reads. A policy that reads another one
// has the agent register anew, and no container is taken for outdated meanwhile.
func TestKeptLabels(t *testing.T) {
	grant := func(pods string) string {
		return fmt.Sprintf("version = 1\n[[grants]]\nnamespaces = [\"ci\"]\npods = %q\nprofiles = [\"ping\"]\napply = \"always\"\n", pods)
	}
	p := newTestPlugin(t, t.TempDir())
	p.SetPolicy(t.Context(), parsed(t, grant("tier=a")))
	<-p.again
	pod := testPod("")
	pod.Annotations = nil
	pod.Labels = map[string]string{"tier": "b", "other": "x"}
	if _, _, err := p.CreateContainer(t.Context(), pod, testContainer("c")); err != nil {
		t.Fatal(err)
	}
	if got := p.containers.byID["c"].request.Labels; len(got) != 1 || got["tier"] != "b" {
		t.Errorf("keeps %v", got)
	}

	p.SetPolicy(t.Context(), parsed(t, grant("tier=b")))
	if got := outdatedNames(p); got != "c:ping" || len(p.again) != 0 {
		t.Errorf("outdated %q, registers anew %d times: the label is known", got, len(p.again))
	}
	p.SetPolicy(t.Context(), parsed(t, grant("!other")))
	if got := outdatedNames(p); got != "c:ping" || len(p.again) != 1 {
		t.Errorf("outdated %q, registers anew %d times: the label is not known", got, len(p.again))
	}
}
