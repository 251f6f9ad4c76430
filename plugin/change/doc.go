// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package change says what can change in a container: the Adjustment, and the
// table of the kinds of change that it consists of.
//
// Each kind has a file. It says which key of a profile leads to the kind, what
// it changes in the OCI spec, how it is put into words, and which channel can
// deliver it: NRI, where the runtime has the features that this takes, the
// runtime wrapper, or the agent. Everything that lists kinds reads this table:
// the engine, the NRI encoder, the wrapper, explain, doctor, the lints and the
// documentation.
//
// The package decides nothing and knows no runtime by name. The wrapper links
// it, so it imports next to nothing.
package change
