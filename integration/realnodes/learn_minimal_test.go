// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// entry is one thing that a profile gives, as the text of a policy has it: a value of a list,
// or whole lines.
type entry struct{ table, key, value string }

func (e entry) String() string {
	switch {
	case strings.HasSuffix(e.table, "devices]]"):
		return "device " + strings.Trim(strings.TrimPrefix(strings.Split(e.value, "\n")[0], "path = "), `"`)
	case e.key == "syscalls":
		return "call " + strings.Trim(e.value, `"`)
	case e.key == "add":
		return "CAP_" + strings.Trim(e.value, `"`)
	}
	return strings.TrimSpace(e.key + " " + e.value)
}

// minimal takes the entries of a program's profiles away, those of built-in ones too, and
// notes those that it goes on without.
func (l *lesson) minimal(of *learnt) {
	l.Helper()
	of.entries = l.given(of)
	names := []string{"whole"}
	text := "version = 1\n" + profileOf("whole", of.entries)
	for i := range of.entries {
		names = append(names, fmt.Sprintf("without-%d", i))
		text += profileOf(names[i+1], slices.Concat(of.entries[:i], of.entries[i+1:]))
	}
	l.policy(text + it.GrantApart(names...))
	p := l.confinedPod(it.AskForEach(names...))
	l.expect(p, of, "with all entries in one profile", node.ContainerConfig{Name: "whole", Seccomp: node.SeccompRuntimeDefault})
	for i, e := range of.entries {
		got := l.run(p, of, node.ContainerConfig{Name: names[i+1], Seccomp: node.SeccompRuntimeDefault})
		l.Logf("%s without %s: %.200s", of.name, e, strings.ReplaceAll(got, "\n", "; "))
		if got == "ok" {
			of.needless = append(of.needless, e.String())
		}
	}
	it.Remove(l.T, p)
}

// given are the entries of all profiles that are proposed for a program.
func (l *lesson) given(of *learnt) (out []entry) {
	l.Helper()
	c, err := config.Parse("proposal", []byte("version = 1\n"+l.proposal.Policy))
	it.Must(l.T, err)
	var add func(name string)
	add = func(name string) {
		at := slices.IndexFunc(c.Profiles, func(p config.Profile) bool { return p.Name == name })
		for _, e := range entriesOf(&c.Profiles[at]) {
			if !slices.Contains(out, e) {
				out = append(out, e)
			}
		}
		for _, other := range c.Profiles[at].Include {
			add(other)
		}
	}
	for _, name := range of.profiles {
		add(name)
	}
	return out
}

func entriesOf(p *config.Profile) (out []entry) {
	for _, d := range p.Devices {
		lines := fmt.Sprintf("path = %q\naccess = %q\n", d.Path, d.Access)
		if d.ContainerPath != "" {
			lines += fmt.Sprintf("container_path = %q\n", d.ContainerPath)
		}
		if d.Mode.OK {
			lines += fmt.Sprintf("mode = \"%04o\"\n", d.Mode.Value)
		} else {
			lines += "gid = \"user\"\n"
		}
		out = append(out, entry{table: "[[profiles.NAME.devices]]", value: lines})
	}
	for _, name := range p.Capabilities.Add {
		out = append(out, entry{"[profiles.NAME.capabilities]", "add", fmt.Sprintf("%q", strings.TrimPrefix(name, "CAP_"))})
	}
	for _, rule := range p.Seccomp {
		for _, name := range rule.Syscalls {
			out = append(out, entry{"[[profiles.NAME.seccomp]]\naction = \"allow\"", "syscalls", fmt.Sprintf("%q", name)})
		}
	}
	for table, values := range map[string]map[string]string{"sysctls": p.Sysctls, "rlimits": p.Rlimits, "env": p.Env} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			out = append(out, entry{"[profiles.NAME." + table + "]", "", fmt.Sprintf("%q = %q", name, values[name])})
		}
	}
	for _, dir := range p.Tmpfs {
		out = append(out, entry{"", "tmpfs", fmt.Sprintf("%q", dir.Path)})
	}
	for line, is := range map[string]bool{`cgroup = "writable"`: p.CgroupWritable, `proc_mount = "unmasked"`: p.ProcUnmasked, fmt.Sprintf("apparmor = %q", p.AppArmor): p.AppArmor != ""} {
		if is {
			out = append(out, entry{"", "", line})
		}
	}
	return out
}

// profileOf is a profile of entries.
func profileOf(name string, all []entry) string {
	tables := map[string]string{"": "[profiles.NAME]\nrequires = { user_namespace = true }\n"}
	lists := map[[2]string][]string{}
	for _, e := range all {
		switch {
		case strings.HasSuffix(e.table, "devices]]"):
			tables[e.table] += e.table + "\n" + e.value
		case e.key != "":
			lists[[2]string{e.table, e.key}] = append(lists[[2]string{e.table, e.key}], e.value)
		case tables[e.table] == "":
			tables[e.table] = e.table + "\n" + e.value + "\n"
		default:
			tables[e.table] += e.value + "\n"
		}
	}
	for at, values := range lists {
		if tables[at[0]] == "" {
			tables[at[0]] = at[0] + "\n"
		}
		tables[at[0]] += fmt.Sprintf("%s = [%s]\n", at[1], strings.Join(values, ", "))
	}
	text := ""
	for _, table := range slices.Sorted(maps.Keys(tables)) { // "" is the first
		text += tables[table]
	}
	return strings.ReplaceAll(text, "NAME", name)
}
