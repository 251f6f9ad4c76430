// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package policy is nodegate's engine: facts in, a decision out.
//
// It is pure. It reads no file, clock or environment, logs nothing and changes
// nothing that it is given, so that the agent, the command line and the tests
// all get the same answer from the same facts. What only the node can tell
// (device nodes, id maps) arrives as a fact, and what is to change leaves as
// an [Adjustment] that knows neither NRI nor a bundle's config.json.
//
// A decision is taken in two steps, so that the node is asked only for what
// matters. [Policy.Select] matches grants and requests and says which profiles
// a container gets; most containers get none, and for them that is all.
// [Policy.Decide] turns those profiles and the host's facts into an Adjustment.
// Both answer with a [*Refusal] when the container must not run.
package policy
