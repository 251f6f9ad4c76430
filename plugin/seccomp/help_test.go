// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/json"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func arg(index uint, op specs.LinuxSeccompOperator, value, two uint64) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: index, Op: op, Value: value, ValueTwo: two}
}

func ptr[T any](v T) *T { return &v }

func dump(v any) string {
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// masked fixes 32 bits, so that its complement takes 32 rules.
func masked(index uint) specs.LinuxSeccompArg { return arg(index, specs.OpMaskedEqual, 0xffffffff, 7) }
