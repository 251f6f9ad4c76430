// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"strings"
	"testing"
)

// What helm prints after an installation claims only what holds: that pods require the
// agent takes the validator, which the chart switches on by patchConfig alone.
func TestNotesClaimWhatHolds(t *testing.T) {
	const claim, warning = "require the agent, from now on: ci", "WARNING: that does nothing unless containerd's validator"
	for name, tc := range map[string]struct {
		set   string
		holds bool
	}{
		"as it comes":           {"nri.runtime.patchConfig=false", false},
		"with containerd's own": {"nri.runtime.patchConfig=true", true},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := helm(t, "install", "nodegate", "chart", "--dry-run=client", "--namespace", "nodegate",
				"--set", "admission.enabled=true,"+tc.set, "--set-json", `policy="version = 1\n[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = [\"ci\"]\n"`)
			must(t, err)
			_, notes, ok := strings.Cut(text, "NOTES:")
			if !ok || strings.Contains(notes, claim) != tc.holds || strings.Contains(notes, warning) == tc.holds {
				t.Errorf("%s", notes)
			}
		})
	}
}
