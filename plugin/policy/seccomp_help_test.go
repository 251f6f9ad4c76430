// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math/rand/v2"

	"github.com/opencontainers/runtime-spec/specs-go"
)

type random struct{ *rand.Rand }

func pickOf[T any](r random, from ...T) T { return from[r.IntN(len(from))] }

func (r random) names() []string { return []string{"a", "b", "c"}[r.IntN(3):] }

// noMknod is the profile's rules: no device nodes, but whiteouts (character
// device 0:0), files, FIFOs and sockets.
func noMknod() []SeccompRule {
	rule := func(name string, mode uint, kind uint64, more ...specs.LinuxSeccompArg) SeccompRule {
		return SeccompRule{Syscalls: []string{name}, Errno: 1, ErrnoName: "EPERM", Args: append([]specs.LinuxSeccompArg{arg(mode, specs.OpMaskedEqual, fmtMask, kind)}, more...)}
	}
	return []SeccompRule{
		rule("mknod", 1, block), rule("mknod", 1, char, arg(2, specs.OpNotEqual, 0, 0)),
		rule("mknodat", 2, block), rule("mknodat", 2, char, arg(3, specs.OpNotEqual, 0, 0)),
	}
}

const (
	fmtMask = 0o170000
	block   = 0o060000
	char    = 0o020000
	regular = 0o100000
	fifo    = 0o010000
	socket  = 0o140000
)
