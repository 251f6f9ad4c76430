// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package evidence is what was observed of containers, and its file format: JSON
// lines, which any recorder can write. It is described in docs/learn.md. What is in it
// was chosen by the programs that were observed: it is bounded here, and shown quoted.
// The package observes nothing and proposes nothing.
package evidence
