// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package doctor looks a node over: what the container runtime, the kernel and
// nodegate's own parts are set to, and what of it keeps nodegate from working.
//
// It goes one way: facts are gathered in one place (gather*.go), each check is
// a function of the facts alone (check*.go), and the findings are printed
// (print.go). Gathering changes nothing and leaves nothing behind. What cannot
// be told is a fact that says why, and a finding that says so.
package doctor
