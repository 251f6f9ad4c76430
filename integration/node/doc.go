// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package node runs a private Kubernetes node without Kubernetes: a real containerd
// with a real runc and CNI, spoken to through the CRI exactly as the kubelet speaks
// to it. The integration tests and the demo are built on it.
//
// A node lives in one temporary directory and in a mount and a network namespace of
// its own, so that it meets no containerd that the machine has already, several
// nodes run at once, and what they mount and plug goes away with the last process.
// Nothing here knows nodegate's policy, and nothing imports testing.
package node
