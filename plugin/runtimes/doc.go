// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package runtimes knows what each release of a container runtime does for an
// NRI plugin: one table, which the agent, explain, doctor and the documentation
// read. A runtime that is not in it gets the lowest row: what is not known to
// arrive is not sent.
package runtimes
