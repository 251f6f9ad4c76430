// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package recorder observes what containers use, by eBPF programs in the kernel that
// filter by cgroup, and turns it into evidence. The programs are in bpf/, their compiled
// form is part of the repository. It proposes nothing, and changes nothing of a container.
package recorder
