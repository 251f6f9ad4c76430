// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

var syscallName = regexp.MustCompile(`^[a-z0-9_]+$`)

// seccomp cannot check that a system call exists: that depends on the node's
// kernel and libseccomp, and runc passes over names that they do not know.
func (p *profile) seccomp() {
	for _, t := range p.table.tables("seccomp", "[["+p.table.at("seccomp")+"]]") {
		var r policy.SeccompRule
		for _, it := range t.list("syscalls", `"mknod"`) {
			if !syscallName.MatchString(it.value) {
				t.doc.bad(it.path, `is %q: write the name of a system call, as in "mknodat"`, it.value)
			}
			r.Syscalls = append(r.Syscalls, it.value)
		}
		if v, ok := t.values["syscalls"].([]any); t.values["syscalls"] == nil || ok && len(v) == 0 {
			t.doc.bad(t.path, `names no system call: write syscalls = ["mknod"]`)
		}
		t.action(&r)
		r.Args = t.conditions()
		t.finish()
		p.Seccomp = append(p.Seccomp, r)
	}
}

// action reads action and errno, which go together.
func (t *table) action(r *policy.SeccompRule) {
	action := t.choice("action", "errno", "allow")
	name, named := t.str("errno", `"EPERM"`)
	switch {
	case t.values["action"] == nil:
		t.missing("action", `"errno", and errno = "EPERM"; or action = "allow"`)
	case action == "allow" && t.values["errno"] != nil:
		t.bad("errno", `goes with action = "errno": leave it out, or change the action`)
	case action == "errno" && t.values["errno"] == nil:
		t.missing("errno", `"EPERM"`)
	}
	if !named {
		return
	}
	if r.Errno = errnoNumber(name); r.Errno == 0 {
		t.bad("errno", "is %q, which is not an error of Linux: write a name from errno(3), such as \"EPERM\"", name)
	}
	r.ErrnoName = name
}

// errnoNumber returns 0 for a name that Linux does not have.
func errnoNumber(name string) uint {
	switch name {
	case "EWOULDBLOCK": // names of the same numbers that x/sys does not give
		return uint(unix.EWOULDBLOCK)
	case "EOPNOTSUPP":
		return uint(unix.EOPNOTSUPP)
	case "ENOTSUP":
		return uint(unix.ENOTSUP)
	case "EDEADLOCK":
		return uint(unix.EDEADLOCK)
	}
	const most = 4095 // MAX_ERRNO, include/linux/err.h
	for n := syscall.Errno(1); n <= most; n++ {
		if unix.ErrnoName(n) == name && name != "" {
			return uint(n)
		}
	}
	return 0
}

// conditions reads args, ordered by argument. A filter holds one condition an
// argument: runc makes alternatives of two, which nobody expects.
func (t *table) conditions() []specs.LinuxSeccompArg {
	var out []specs.LinuxSeccompArg
	for _, a := range t.tables("args", "[["+t.at("args")+"]]") {
		index, indexed := a.unsigned("index", 5, true)
		c := specs.LinuxSeccompArg{Index: uint(index), Op: a.op()}
		c.Value, _ = a.unsigned("value", math.MaxInt64, true)
		c.ValueTwo, _ = a.unsigned("value_two", math.MaxInt64, false)
		_, two := a.values["value_two"]
		masked := c.Op == specs.OpMaskedEqual
		switch {
		case masked && !two:
			a.missing("value_two", "N, what the argument has to be under the mask in value")
		case masked && c.ValueTwo&^c.Value != 0:
			a.bad("value_two", "is %#o, which has bits that the mask in value (%#o) takes away, so nothing would match: write a mask that covers it", c.ValueTwo, c.Value)
		case two && !masked && c.Op != "":
			a.bad("value_two", "means nothing to %s: leave it out, or write op = %q", c.Op, specs.OpMaskedEqual)
		}
		if indexed && slices.ContainsFunc(out, func(have specs.LinuxSeccompArg) bool { return have.Index == c.Index }) {
			a.bad("index", "is %d again: write one condition an argument, and a rule for each alternative", c.Index)
		}
		a.finish()
		if indexed {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b specs.LinuxSeccompArg) int { return cmp.Compare(a.Index, b.Index) })
	return out
}

func (t *table) unsigned(key string, most int64, required bool) (n uint64, ok bool) {
	v, ok := t.number(key, "0")
	if t.values[key] == nil && required {
		t.missing(key, fmt.Sprintf("N, a number from 0 to %d", most))
	}
	if ok && (v < 0 || v > most) {
		t.bad(key, "is %d: write a number from 0 to %d", v, most)
		return 0, false
	}
	return uint64(v), ok
}

// op takes the runtime-spec's words, as seccomp profiles in JSON have them.
func (t *table) op() specs.LinuxSeccompOperator {
	ops := []string{string(specs.OpNotEqual), string(specs.OpLessThan), string(specs.OpLessEqual), string(specs.OpEqualTo),
		string(specs.OpGreaterEqual), string(specs.OpGreaterThan), string(specs.OpMaskedEqual)}
	v, ok := t.str("op", `"SCMP_CMP_EQ"`)
	switch {
	case t.values["op"] == nil:
		t.missing("op", `"SCMP_CMP_EQ", or another of `+strings.Join(ops, ", "))
	case ok && !slices.Contains(ops, v):
		t.bad("op", "is %q: write one of %s", v, strings.Join(ops, ", "))
	case ok:
		return specs.LinuxSeccompOperator(v)
	}
	return ""
}
