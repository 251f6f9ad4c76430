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
