// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import "os"

// TB is what Require needs of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// Require ends a test that cannot run a node of these options here, with these images of
// hack/images: skipped with the reason, or failed where CI or NODEGATE_REQUIRE is set,
// since a test that is skipped everywhere proves nothing.
func Require(tb TB, o Options, images ...string) {
	tb.Helper()
	o, err := o.withDefaults()
	if err == nil {
		err = o.check()
	}
	if err == nil {
		err = o.checkImages(images)
	}
	if err != nil {
		Cannot(tb, "run a node here: "+err.Error())
	}
}

// Cannot ends a test that this machine cannot run, for the reason that is given: skipped,
// or failed where CI or NODEGATE_REQUIRE is set.
func Cannot(tb TB, why string) {
	tb.Helper()
	if os.Getenv("CI") != "" || os.Getenv(RequireEnv) != "" {
		tb.Fatal("cannot " + why + ", and CI or " + RequireEnv + " is set")
	}
	tb.Skip("cannot " + why)
}
