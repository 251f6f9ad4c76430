// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/doctor"
)

// The exit code follows the worst finding; amber counts with --strict alone.
func TestVerdict(t *testing.T) {
	for _, tc := range []struct {
		statuses      []doctor.Status
		plain, strict string
	}{
		{[]doctor.Status{doctor.OK, doctor.OK}, "", ""},
		{[]doctor.Status{doctor.OK, doctor.Warning, doctor.Unknown}, "", "warnings: 2"},
		{[]doctor.Status{doctor.Unknown}, "", "warnings: 1"},
		{[]doctor.Status{doctor.Problem, doctor.Warning}, "problems: 1", "problems: 1"},
	} {
		var r doctor.Report
		for _, s := range tc.statuses {
			r.Findings = append(r.Findings, doctor.Finding{Status: s})
		}
		for strict, want := range map[bool]string{false: tc.plain, true: tc.strict} {
			got := ""
			if err := verdict(&r, strict); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%q, strict %t: %q, want %q", tc.statuses, strict, got, want)
			}
		}
	}
}
