// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	_ "embed"
	"strings"
	"sync"
)

// What containerd's default seccomp profile allows to a container with the default
// capabilities, one name a line; a test writes it from containerd's own.
//
//go:embed calls.txt
var callList string

var defaultCalls = sync.OnceValue(func() []string { return strings.Fields(callList) })

// nodeCalls are those that answer EPERM in a user namespace, as the profile that denies them
// does: to allow them changes nothing.
var nodeCalls = []string{"acct", "bpf", "clock_settime", "delete_module", "finit_module", "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load",
	"lookup_dcookie", "settimeofday", "stime", "swapoff", "swapon", "vhangup"}
