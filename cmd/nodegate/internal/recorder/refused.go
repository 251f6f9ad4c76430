// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// instead is what a node that cannot be observed leaves.
const instead = "nodegate suggest reads manifests instead"

// refused says why the kernel took no program, as far as it can be found out.
func refused(err error) error {
	switch {
	// First: the kernel then says EINVAL of helpers that it does not hand out.
	case lockedDown("/sys/kernel/security/lockdown"):
		return fmt.Errorf("the kernel is locked down (confidentiality), and lets nobody trace: %s: %w", instead, err)
	case !errors.Is(err, unix.EPERM):
		return fmt.Errorf("this kernel does not take the programs, which need 5.15 or later: %s: %w", instead, err)
	case os.Geteuid() != 0:
		return fmt.Errorf("recording needs root: %w", err)
	}
	return fmt.Errorf("the kernel lets this process trace nothing: it needs CAP_BPF and CAP_PERFMON over the node, and a kernel that allows it: %s: %w", instead, err)
}

func lockedDown(file string) bool {
	state, _ := os.ReadFile(file) // without, a kernel cannot be locked down
	return strings.Contains(string(state), "[confidentiality]")
}
