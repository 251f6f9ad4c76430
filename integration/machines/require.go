// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"io"

	"github.com/nodegate/nodegate/integration/node"
)

// Require ends a test that cannot run a machine of these options here: skipped with the
// reason, or failed where CI or NODEGATE_REQUIRE is set.
func Require(tb node.TB, o Options) {
	tb.Helper()
	if _, err := newBuilder(o.withDefaults().System, io.Discard); err != nil {
		node.Cannot(tb, "run another machine here: "+err.Error())
	}
}
