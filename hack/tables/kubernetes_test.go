// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tables_test

import (
	"testing"

	"github.com/nodegate/nodegate/hack/tables"
)

func TestWithRow(t *testing.T) {
	const both = "suite of b v1 | 1/0/0\nsuite of c v1 | 2/0/0\n"
	for _, c := range []struct{ name, text, row, want string }{
		{"the first", "", "suite v1 | 1/0/0", "suite v1 | 1/0/0\n"},
		{"one more", both, "suite of a v1 | 3/0/0", "suite of a v1 | 3/0/0\n" + both},
		{"another version", both, "suite of b v2 | 4/0/0", "suite of b v2 | 4/0/0\nsuite of c v1 | 2/0/0\n"},
	} {
		if got := tables.WithRow(c.text, c.row); got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
	}
}
