// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Severity says how much a finding matters.
type Severity string

// The severities, most important first.
const (
	Error   Severity = "error"   // the policy does not load
	Warning Severity = "warning" // does nothing, or more than it seems
	Info    Severity = "info"    // as it may be meant; good to know
)

// Finding is one thing that a policy holds.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line"` // from 1
	What     string   `json:"what"`
	Why      string   `json:"why,omitempty"`
	Write    string   `json:"write,omitempty"`
	// Accepted is the reason of the comment that accepts the finding, if one does.
	Accepted string `json:"accepted,omitempty"`
}

// String is the finding on one line.
func (f Finding) String() string {
	text := fmt.Sprintf("%s:%d: %s %s: %s", f.File, f.Line, f.Severity, f.Code, f.What)
	for _, part := range []string{f.Why, f.Write} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// Check returns what there is to say about a policy, by file and line. Findings that a
// comment in the policy accepts are among them, with its reason. on are the runtimes
// that the policy is for; without any, those that are supported.
func Check(c *config.Config, on ...runtimes.Runtime) []Finding {
	if len(on) == 0 {
		on = Supported()
	}
	l := &linter{config: c, runtimes: on, profiles: map[string]*config.Profile{}, seen: map[Finding]bool{}}
	for i := range c.Profiles {
		l.profiles[c.Profiles[i].Name] = &c.Profiles[i]
	}
	for i := range c.Profiles {
		// What is built in is looked at where it is granted.
		if p := &c.Profiles[i]; !p.BuiltIn {
			l.profile(p)
		}
	}
	for i := range c.Grants {
		l.grant(l.view(i))
	}
	l.unusedProfiles()
	l.settings()
	l.accept()
	order := map[string]int{}
	for i, file := range c.Files {
		order[file] = i
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return l.found
}

// Count returns how many findings of each severity are not accepted, and how many are.
func Count(findings []Finding) (bySeverity map[Severity]int, accepted int) {
	bySeverity = map[Severity]int{}
	for _, f := range findings {
		if f.Accepted != "" {
			accepted++
			continue
		}
		bySeverity[f.Severity]++
	}
	return bySeverity, accepted
}

type linter struct {
	config   *config.Config
	runtimes []runtimes.Runtime
	profiles map[string]*config.Profile
	found    []Finding
	seen     map[Finding]bool
}

func (l *linter) profile(p *config.Profile) {
	at := func(key string) config.Place { return l.config.ProfilePlace(p.Name, key) }
	l.devices(p, at)
	l.shared(p, at)
	l.tmpfs(p, at)
	l.deviceRules(p, at)
	l.idle(p, at)
	l.sysctls(p, at)
	l.seccomp(p, at)
}

func (l *linter) grant(g *view) {
	l.namespaces(g)
	l.narrowing(g)
	l.capabilities(g)
	l.apparmor(g)
	l.unmeetable(g)
	l.always(g)
	l.alwaysOnEach(g)
	l.deniedOnRequest(g)
	l.accepted(g)
}

// add reports a finding. What is there, and what to write, are about this very one;
// the rest is in the table.
func (l *linter) add(code string, at config.Place, what, write string) {
	k := All[slices.IndexFunc(All, func(k Kind) bool { return k.Code == code })]
	f := Finding{Code: code, Severity: k.Severity, File: at.File, Line: at.Line, What: what, Why: k.Why, Write: write}
	if !l.seen[f] {
		l.seen[f] = true
		l.found = append(l.found, f)
	}
}

// Failed turns what keeps a policy from loading into findings.
func Failed(errs config.Errors) []Finding {
	var out []Finding
	for _, e := range errs {
		out = append(out, Finding{Code: LoadError, Severity: Error, File: e.File, Line: e.Line, What: e.Message()})
	}
	return out
}
