// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package host is what only the node can tell or do.
//
// It tells facts: the device nodes that a path or glob names, a process's id
// maps, the cgroup version, the machine's system call architectures. And it
// keeps shadow nodes: copies of the node's device nodes that belong to the
// mapped ids of a pod with a user namespace.
//
// It knows no policy and no runtime: what a fact means, and whether a shadow
// node is wanted, is package policy's to say. All paths that go in or come out
// are the node's own; host_root, where an agent in a container sees the node's
// files, stays in here.
package host
