// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/moby/sys/capability"

	"github.com/nodegate/nodegate/plugin/policy"
)

var (
	envName     = regexp.MustCompile(`^[._a-zA-Z][-._a-zA-Z0-9]*$`) // Kubernetes' rule, less a first -, with which NRI removes
	sysctlName  = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-zA-Z0-9_-]+)+$`)
	placeholder = regexp.MustCompile(`\{[^{}]*\}?|\}`)
)

// cdi checks the form alone: which devices there are is up to the CDI specs of
// each node, and those come and go.
func (p *profile) cdi() {
	for _, it := range p.table.list("cdi_devices", `"vendor.com/class=name"`) {
		if !policy.IsCDIName(it.value) {
			p.table.doc.bad(it.path, `is %q: write the device's qualified name, as in "vendor.com/class=name"`, it.value)
		}
		p.CDIDevices = append(p.CDIDevices, it.value)
	}
}

// capabilities makes a disagreement within one profile an error, though the
// engine would let the drop win: there, one of the two lines does nothing.
func (p *profile) capabilities() {
	t := p.table.table("capabilities", "["+p.table.at("capabilities")+"]")
	if t == nil {
		return
	}
	p.Capabilities = policy.Capabilities{Add: t.capabilities("add"), Drop: t.capabilities("drop")}
	for _, name := range p.Capabilities.Drop {
		if slices.Contains(p.Capabilities.Add, name) {
			t.bad("drop", "has %s, and so has add: write it in one of them", name)
		}
	}
	t.finish()
}

// capabilities takes a list of names, with or without CAP_, in any case.
func (t *table) capabilities(key string) []string {
	var known, out []string
	for _, c := range capability.ListKnown() {
		known = append(known, "CAP_"+strings.ToUpper(c.String()))
	}
	for _, it := range t.list(key, `"MKNOD"`) {
		name := "CAP_" + strings.TrimPrefix(strings.ToUpper(it.value), "CAP_")
		switch {
		case name == "CAP_ALL":
			t.doc.bad(it.path, "is %q: name the capabilities one by one; all of them is what --privileged gives", it.value)
		case !slices.Contains(known, name):
			remedy := "write a name from capabilities(7), such as MKNOD"
			if near := policy.Nearest(name, known); near != "" {
				remedy = fmt.Sprintf("did you mean %q?", strings.TrimPrefix(near, "CAP_"))
			}
			t.doc.bad(it.path, "is %q, which is not a capability: %s", it.value, remedy)
		case slices.Contains(out, name):
			t.doc.bad(it.path, "is %q, which is listed already: list it once", it.value)
		default:
			out = append(out, name)
		}
	}
	return out
}

func (p *profile) env() {
	t := p.table.table("env", "["+p.table.at("env")+"]")
	if t == nil {
		return
	}
	p.Env = map[string]string{}
	for _, name := range t.keys() {
		v, ok := t.str(name, "")
		switch {
		case !ok:
		case !envName.MatchString(name):
			t.bad(name, "is not a name for an environment variable: write letters, digits, _ - and . with no digit or - first")
		case strings.ContainsRune(v, 0):
			t.bad(name, "holds a NUL, at which it would end: leave it out")
		}
		p.Env[name] = v
	}
}

func (p *profile) sysctls() {
	t := p.table.table("sysctls", "["+p.table.at("sysctls")+"]")
	if t == nil {
		return
	}
	p.Sysctls = map[string]string{}
	for _, name := range t.keys() {
		if nested, ok := t.values[name].(map[string]any); ok {
			// net.ipv4.x = … without quotes is a table in a table.
			t.bad(name, "is a table: put the sysctl's whole name in quotes, %q = …", dotted(name, nested))
			continue
		}
		v, ok := t.str(name, "")
		if !ok {
			continue
		}
		p.Sysctls[name] = v
		if remedy := sysctl(name, v); remedy != "" {
			t.bad(name, "%s", remedy)
		}
	}
}

// dotted joins the first keys of tables in tables.
func dotted(name string, values map[string]any) string {
	for {
		var keys []string
		for k := range values {
			keys = append(keys, k)
		}
		if len(keys) == 0 {
			return name
		}
		slices.Sort(keys)
		name += "." + keys[0]
		values, _ = values[keys[0]].(map[string]any)
	}
}

// sysctl says what is wrong with a sysctl, and what to write instead.
func sysctl(name, value string) string {
	_, namespaced := policy.SysctlNamespace(name)
	switch {
	case strings.Contains(name, "/"):
		return fmt.Sprintf("has slashes: write it with dots, %q", strings.ReplaceAll(name, "/", "."))
	case !sysctlName.MatchString(name):
		return `is not the name of a sysctl: write it as sysctl(8) does, as in "net.ipv4.ip_forward"`
	case !namespaced:
		return "belongs to the whole node, so no container may set it: set it on the node, or write one of net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem, kernel.domainname"
	case strings.TrimSpace(value) == "":
		return "is empty: write its value"
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return "holds a line break or another control character: write its value on one line"
	}
	for _, found := range placeholder.FindAllString(value, -1) {
		if found != "{max_gid}" && found != "{max_uid}" {
			return fmt.Sprintf("holds %q: write {max_gid} or {max_uid}; there is nothing else to fill in", found)
		}
	}
	return ""
}
