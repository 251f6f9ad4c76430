// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package seccomp merges rules that allow or deny system calls into a
// container's seccomp profile, so that exactly what is denied is denied. It is
// pure arithmetic. The agent does it for NRI, and the wrapper for config.json.
package seccomp
