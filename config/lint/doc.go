// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package lint looks over a policy that has no errors for what is illusory or
// dangerous in it: a rule that does nothing, a grant that reaches further than it
// seems. Each kind of finding has a code; the table of them is [All].
//
// The lints are pure functions of a [config.Config]. They know nothing of a node, and
// nothing that depends on one is a finding.
package lint
