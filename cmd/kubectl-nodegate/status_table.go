// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

// standing is how a node stands: the smaller, the sooner somebody has to look.
type standing int

const (
	noAgent standing = iota
	noAnswer
	notReady
	notReloaded
	otherPolicy
	outdated
	otherVersion
	ready
)

func (s standing) String() string {
	return [...]string{"NoAgent", "NoAnswer", "NotReady", "NotReloaded", "OtherPolicy", "Outdated", "OtherVersion", "Ready"}[s]
}

// stand says how a node stands, and why, beside what most nodes have.
func stand(a *fleet.Answer[agentStatus], policy, version string) (standing, string) {
	s := &a.Value
	switch {
	case errors.Is(a.Err, fleet.ErrNoAgent):
		return noAgent, a.Err.Error()
	case a.Err != nil:
		return noAnswer, a.Err.Error()
	case !s.Ready:
		return notReady, s.NotReady
	case s.Policy.Failed != "":
		return notReloaded, s.Policy.Failed
	case s.Policy.Hash != policy:
		return otherPolicy, "most nodes have " + policy
	case s.Containers.Outdated > 0:
		return outdated, fmt.Sprintf("%d containers have to be recreated", s.Containers.Outdated)
	case s.Version != version:
		return otherVersion, "most agents are of version " + or(version)
	}
	for _, r := range s.Resources {
		if r.Why != "" {
			return ready, r.Name + ": " + r.Why
		}
	}
	for _, p := range s.Profiles {
		if p.Granted && !p.Carried {
			return ready, "profile " + p.Name + ": " + p.Why
		}
	}
	return ready, ""
}

// usual is what most agents have. Where two values are as frequent, it is that of the agent
// that loaded its policy last.
func usual(answers []fleet.Answer[agentStatus], have func(*agentStatus) string) string {
	count, loaded := map[string]int{}, map[string]time.Time{}
	for i := range answers {
		if s := &answers[i].Value; answers[i].Err == nil {
			count[have(s)]++
			if s.Policy.LoadedAt.After(loaded[have(s)]) {
				loaded[have(s)] = s.Policy.LoadedAt
			}
		}
	}
	most := ""
	for value, n := range count {
		if before := count[most]; n > before || n == before && loaded[value].After(loaded[most]) {
			most = value
		}
	}
	return most
}

// line is a node in the table.
type line struct {
	*fleet.Answer[agentStatus]
	standing standing
	why      string
}

// lines are all nodes, those first that need somebody.
func lines(answers []fleet.Answer[agentStatus]) []line {
	policy := usual(answers, func(s *agentStatus) string { return s.Policy.Hash })
	version := usual(answers, func(s *agentStatus) string { return s.Version })
	out := make([]line, len(answers))
	for i := range answers {
		out[i].Answer = &answers[i]
		out[i].standing, out[i].why = stand(&answers[i], policy, version)
	}
	slices.SortStableFunc(out, func(a, b line) int {
		return cmp.Or(cmp.Compare(a.standing, b.standing),
			cmp.Compare(b.Value.Containers.Outdated, a.Value.Containers.Outdated),
			cmp.Compare(b.Value.Decisions.Refused, a.Value.Decisions.Refused))
	})
	return out
}

var statusColumns = []column{{"Node", false}, {"Status", false}, {"Version", false}, {"Policy", false}, {"Since", false},
	{"Adjusted", false}, {"Refused", false}, {"Outdated", false}, {"Profiles", false}, {"Resources", false},
	{"Agent", true}, {"Containers", true}, {"Runtime", true}, {"Carries", true}, {"Why", true}}

// cells are a node's; what is not known is "-".
func (l *line) cells(now time.Time) []any {
	agent := "-"
	if l.Node.Agent != nil {
		agent = l.Node.Agent.Name
	}
	if l.Err != nil {
		return []any{l.Node.Name, l.standing.String(), "-", "-", "-", "-", "-", "-", "-", "-", agent, "-", l.Node.Runtime, "-", first(l.why)}
	}
	s := &l.Value
	policy := s.Policy.Hash
	if s.Policy.Mode == "audit" {
		policy += " (audit)"
	}
	var resources []string
	for _, r := range s.Resources {
		resources = append(resources, fmt.Sprintf("%s %d/%d", strings.TrimPrefix(r.Name, "nodegate.dev/"), r.Healthy, r.Units))
	}
	share, carried := carries(s.Profiles)
	since := "-"
	if !s.Policy.LoadedAt.IsZero() {
		since = duration.HumanDuration(now.Sub(s.Policy.LoadedAt))
	}
	return []any{l.Node.Name, l.standing.String(), or(s.Version), or(policy), since, s.Containers.Adjusted, s.Decisions.Refused, s.Containers.Outdated,
		share, or(strings.Join(resources, ", ")), agent, s.Containers.All, or(s.Runtime), or(carried), first(l.why)}
}

// carries is how many of the granted profiles the node can give, and which.
func carries(all []agentProfile) (share, names string) {
	if all == nil {
		return "-", ""
	}
	granted := 0
	var can []string
	for _, p := range all {
		if p.Granted {
			granted++
		}
		if p.Granted && p.Carried {
			can = append(can, p.Name)
		}
	}
	return fmt.Sprintf("%d/%d", len(can), granted), strings.Join(can, ", ")
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// first is the first line of a text, which is a sentence of its own.
func first(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return or(s)
}

// changedRows are the rows that are not as they were seen, and takes them as seen. The
// time that passes is no change.
func changedRows(answers []fleet.Answer[agentStatus], seen map[string]string, now time.Time) [][]any {
	var rows [][]any
	for _, l := range lines(answers) {
		cells := l.cells(now)
		same := slices.Clone(cells)
		same[4] = l.Value.Policy.LoadedAt
		if text := fmt.Sprint(same...); seen[l.Node.Name] != text {
			seen[l.Node.Name] = text
			rows = append(rows, cells)
		}
	}
	return rows
}

// nodeStatus is a node in JSON.
type nodeStatus struct {
	Node   string          `json:"node"`
	Status string          `json:"status"`
	Why    string          `json:"why,omitempty"`
	Agent  string          `json:"agent,omitempty"` // its pod
	Says   json.RawMessage `json:"says,omitempty"`  // nodegate status -o json
}

func statusList(answers []fleet.Answer[agentStatus]) any {
	out := struct {
		Nodes []nodeStatus `json:"nodes"`
	}{[]nodeStatus{}}
	for _, l := range lines(answers) {
		n := nodeStatus{Node: l.Node.Name, Status: l.standing.String(), Why: l.why, Says: l.Value.whole}
		if l.Node.Agent != nil {
			n.Agent = l.Node.Agent.Name
		}
		out.Nodes = append(out.Nodes, n)
	}
	return out
}
