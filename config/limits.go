// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// rlimits are written as ulimit(1) and docker run --ulimit have them.
func (p *profile) rlimits() {
	t := p.table.table("rlimits", "["+p.table.at("rlimits")+"]")
	if t == nil {
		return
	}
	p.Rlimits = map[string]string{}
	for _, name := range t.keys() {
		var text string
		if n, ok := t.values[name].(int64); ok {
			t.take(name)
			text = strconv.FormatInt(n, 10)
		} else if text, ok = t.str(name, `"unlimited", a number, or "1024:4096"`); !ok {
			continue
		}
		r, err := change.ParseRlimit(name, text)
		if err != nil {
			remedy := err.Error()
			short := strings.TrimPrefix(strings.ToLower(name), "rlimit_")
			if near := policy.Nearest(short, change.RlimitNames()); slices.Contains(change.RlimitNames(), short) {
				remedy = fmt.Sprintf("is not the name of a limit: write %s", short)
			} else if near != "" && near != name {
				remedy = fmt.Sprintf("is not a limit of Linux: did you mean %q?", near)
			}
			if slices.Contains(change.RlimitNames(), name) {
				remedy = err.Error()
			}
			t.bad(name, "%s", remedy)
			continue
		}
		p.Rlimits[name] = change.RlimitText(&r)
	}
}

// tmpfs takes paths, and tables with a path and a size.
func (p *profile) tmpfs() {
	v, there := p.table.take("tmpfs")
	elements, ok := v.([]any)
	if !there {
		return
	}
	if !ok {
		p.table.bad("tmpfs", `is %s, not a list: write tmpfs = ["/run"], or tmpfs = [{ path = "/dev/shm", size = "1Gi" }]`, kind(v))
		return
	}
	for i, e := range elements {
		at := fmt.Sprintf("%s[%d]", p.table.at("tmpfs"), i)
		var one policy.Tmpfs
		switch e := e.(type) {
		case string:
			one.Path = e
		case map[string]any:
			t := &table{doc: p.table.doc, path: at, values: e}
			if one.Path, ok = t.str("path", `"/dev/shm"`); !ok && e["path"] == nil {
				t.missing("path", `"/dev/shm"`)
			}
			one.Size = t.size()
			t.finish()
			if !ok {
				continue
			}
		default:
			p.table.doc.bad(at, `is %s, neither a path nor a table: write "/run", or { path = "/dev/shm", size = "1Gi" }`, kind(e))
			continue
		}
		p.addTmpfs(one, at)
	}
}

// addTmpfs lets a profile hide any directory but those that the runtime itself
// sets up, and the root.
func (p *profile) addTmpfs(one policy.Tmpfs, at string) {
	remedy := unclean(one.Path)
	switch one.Path {
	case "/", "/proc", "/sys", "/dev":
		remedy = "the container cannot run without what is there: write a directory below it"
	}
	if slices.ContainsFunc(p.Tmpfs, func(t policy.Tmpfs) bool { return t.Path == one.Path }) {
		p.table.doc.bad(at, "is %q again: list it once", one.Path)
		return
	}
	if remedy != "" {
		p.table.doc.bad(at, "is %q: %s", one.Path, remedy)
	}
	p.Tmpfs = append(p.Tmpfs, one)
}

// quantity is a size as Kubernetes writes memory.
var quantity = regexp.MustCompile(`^([1-9][0-9]*)(Ki|Mi|Gi|Ti|k|M|G|T|)$`)

var units = map[string]int64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}

// size returns bytes; 0 if there is none.
func (t *table) size() int64 {
	text, ok := t.str("size", `"1Gi"`)
	if !ok {
		return 0
	}
	m := quantity.FindStringSubmatch(text)
	if m == nil {
		t.bad("size", `is %q: write bytes as Kubernetes does, as in "64Mi" or "1Gi"`, text)
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || n > math.MaxInt64/units[m[2]] {
		t.bad("size", "is %q, which is more than any node has: write fewer bytes", text)
		return 0
	}
	return n * units[m[2]]
}
