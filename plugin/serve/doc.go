// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package serve answers questions about a running agent over HTTP: whether it
// is ready, what it counts, what it decided last. It knows the plugin, changes
// nothing and decides nothing.
package serve
