// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/hack/tables"
)

var update = flag.Bool("update", false, "write what is made from the code")

// The tables that repeat what the code knows say what it knows. TestMatrix
// writes the other parts of the matrix.
func TestTables(t *testing.T) {
	for _, tc := range []struct{ page, before, after, want string }{
		{"policy.md", "<!-- TestTables writes this table with -update. -->\n\n", "\nA runtime that is neither", tables.Kinds()},
		{"support-matrix.md", "\n## Whole machines\n", "\n## Kubernetes\n", tables.MachinesSection()},
		{"support-matrix.md", "\n## Kubernetes\n", "\n## CRI-O\n", tables.KubernetesSection()},
		{"support-matrix.md", "\n## CRI-O\n", "", tables.CRIOSection()},
	} {
		head, rest, ok := strings.Cut(read(t, tc.page), tc.before)
		table, tail := rest, ""
		if tc.after != "" {
			table, tail, _ = strings.Cut(rest, tc.after)
		}
		if want := strings.TrimPrefix(tc.want, tc.before); ok && table != want {
			if !*update {
				t.Errorf("%s: run this test with -update. The code says:\n%s", tc.page, tc.want)
				continue
			}
			write(t, tc.page, head+tc.before+want+tc.after+tail)
		} else if !ok {
			t.Errorf("%s has no %q", tc.page, tc.before)
		}
	}
}

func write(t *testing.T, page, text string) {
	t.Helper()
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
