// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Rlimit is one resource limit.
type Rlimit = specs.POSIXRlimit

// KindRlimits is resource limits of the container's processes.
var KindRlimits = &Kind{
	Key: "rlimits", Field: "process.rlimits", Wrapper: true,
	Uses: []Use{{"`rlimits`", DeliversRlimits}},
	in:   func(a *Adjustment) bool { return len(a.Rlimits) > 0 },
	copy: func(to, from *Adjustment) { to.Rlimits = from.Rlimits },
	list: func(a *Adjustment) (out []Change) {
		for i := range a.Rlimits {
			r := &a.Rlimits[i]
			out = append(out, Change{Text: "= " + rlimitName(r) + " " + RlimitText(r), Only: Adjustment{Rlimits: []specs.POSIXRlimit{*r}}})
		}
		return out
	},
	name: func(a *Adjustment) (out []string) {
		for i := range a.Rlimits {
			out = append(out, "the rlimit "+rlimitName(&a.Rlimits[i]))
		}
		return out
	},
	brief: func(a *Adjustment) (out []string) {
		for i := range a.Rlimits {
			out = append(out, fmt.Sprintf("rlimit %s=%s", rlimitName(&a.Rlimits[i]), RlimitText(&a.Rlimits[i])))
		}
		return out
	},
	gives: func(a *Adjustment) bool { return len(a.Rlimits) > 0 },
}

const (
	rlimitPrefix = "RLIMIT_"
	unlimited    = "unlimited"
)

// RlimitNames returns the limits that Linux has, as "docker run --ulimit" and
// getrlimit(2) name them.
func RlimitNames() []string {
	return []string{"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
		"nproc", "rss", "rtprio", "rttime", "sigpending", "stack"}
}

// ParseRlimit reads a limit: "SOFT:HARD", or one value for both; "unlimited" is
// a value. Bytes, seconds and numbers are as getrlimit(2) counts them.
func ParseRlimit(name, text string) (specs.POSIXRlimit, error) {
	if !slices.Contains(RlimitNames(), name) {
		return specs.POSIXRlimit{}, fmt.Errorf("is not a limit of Linux: write one of %s", strings.Join(RlimitNames(), ", "))
	}
	soft, hard, both := strings.Cut(text, ":")
	if !both {
		hard = soft
	}
	out := specs.POSIXRlimit{Type: rlimitPrefix + strings.ToUpper(name)}
	for _, v := range []struct {
		text string
		into *uint64
	}{{soft, &out.Soft}, {hard, &out.Hard}} {
		n, err := strconv.ParseUint(v.text, 10, 64)
		switch {
		case v.text == unlimited:
			n = math.MaxUint64
		case err != nil || n == math.MaxUint64:
			return out, fmt.Errorf("is %q: write a number, \"unlimited\", or \"SOFT:HARD\" of these, as in \"1024:4096\"", text)
		}
		*v.into = n
	}
	switch {
	case out.Soft > out.Hard:
		return out, fmt.Errorf("is %q, a soft limit above the hard one: write \"%s:%s\", or \"%s\" for both", text, hard, soft, soft)
	case name == "nofile" && out.Hard == math.MaxUint64:
		return out, fmt.Errorf("is %q, and the kernel takes no more than its sysctl fs.nr_open: write a number, such as \"1048576\"", text)
	}
	return out, nil
}

// RlimitText writes a limit as ParseRlimit reads it.
func RlimitText(r *specs.POSIXRlimit) string {
	word := func(n uint64) string {
		if n == math.MaxUint64 {
			return unlimited
		}
		return strconv.FormatUint(n, 10)
	}
	return word(r.Soft) + ":" + word(r.Hard)
}

func rlimitName(r *specs.POSIXRlimit) string {
	return strings.ToLower(strings.TrimPrefix(r.Type, rlimitPrefix))
}
