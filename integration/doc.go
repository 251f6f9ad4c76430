// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package integration holds the tests that prove nodegate on real programs: containerd,
// runc and Kubernetes. Each folder with tests is a subject; node is a node without
// Kubernetes, cluster one with it, internal/it what the tests share, and probe the program
// in the test image.
package integration
