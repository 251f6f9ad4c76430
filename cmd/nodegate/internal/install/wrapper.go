// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
	"github.com/nodegate/nodegate/config/deploy"
)

var defaultExempt = []string{"kube-system", "nodegate"}

// namespaceName is what Kubernetes takes for one.
var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// wrapper plans runc.toml, and looks whether what is there then lets the agent's own
// pod start.
func (p *planner) wrapper(n *needs, state string) error {
	for _, name := range p.o.Exempt {
		if !namespaceName.MatchString(name) {
			return fmt.Errorf("--exempt-namespace %q is not the name of a namespace: write one, without wildcards, and the flag again for another", name)
		}
	}
	f, err := p.tree.Read(wrapperPath, textLimit)
	if err != nil {
		return err
	}
	exempt := p.o.Exempt
	if len(exempt) == 0 {
		exempt = defaultExempt
		if e := p.former.entry(wrapperPath); e != nil && f != nil && sum(f.Data) == e.SHA256 {
			exempt = exempted(f.Data)
		}
	}
	if err := p.own(Policy, wrapperPath, wrapperConfig(n, state, exempt), 0o644); err != nil {
		return err
	}
	if i := slices.IndexFunc(p.plan.Writes, func(w Write) bool { return w.Path == wrapperPath }); i >= 0 {
		f = p.plan.Writes[i].After
	}
	if err := becomes(f.Data, n.runtimes); err != nil {
		return err
	}
	return p.exempts(exempted(f.Data))
}

// exempts looks at what the administrator's own runc.toml exempts.
func (p *planner) exempts(list []string) error {
	if len(list) == 0 && p.o.DefaultRuntime {
		return fmt.Errorf("%s exempts no namespace, so that no pod at all, static ones included, would start without an agent: write %s", wrapperPath, exemptLine(defaultExempt))
	}
	missing := slices.DeleteFunc(slices.Clone(p.o.Exempt), func(name string) bool { return slices.Contains(list, name) })
	if len(missing) == 0 {
		return nil
	}
	problem := fmt.Sprintf("%s is yours and does not exempt %s", wrapperPath, strings.Join(missing, ", "))
	line := exemptLine(append(slices.Clone(list), missing...))
	if p.o.DefaultRuntime {
		return fmt.Errorf("%s, so that no pod there, the agent's own included, would start without an agent: write %s", problem, line)
	}
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf("%s: pods there that name the handler %s do not start without an agent; write %s", problem, Handler, line))
	return nil
}

// exempted reads what a wrapper's configuration lets pass without an agent.
func exempted(text []byte) (names []string) {
	doc, err := tomledit.Parse(text)
	list, _ := tomledit.Get[[]any](doc, []string{"exempt_namespaces"})
	for _, v := range list {
		if s, ok := v.(string); ok && err == nil {
			names = append(names, s)
		}
	}
	return names
}

func exemptLine(names []string) string {
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = name
	}
	return line("exempt_namespaces", list)
}

func line(key string, value any) string {
	return strings.TrimSpace(tomledit.Tables([]tomledit.Want{{Key: []string{key}, Value: value}}))
}

// wrapperConfig fills in what differs from the sample.
func wrapperConfig(n *needs, state string, exempt []string) []byte {
	text := string(deploy.Wrapper())
	for _, v := range [][2]string{
		{line("path", "runc"), line("path", n.runtime)},
		{line("state_dir", defaultDirs.State), line("state_dir", state)},
		{exemptLine(defaultExempt), exemptLine(exempt)},
	} {
		text = strings.Replace(text, v[0], v[1], 1)
	}
	if len(n.runtimes) > 0 {
		text += "\n" + tomledit.Tables(runtimesTable(n.runtimes))
	}
	return []byte(text)
}
