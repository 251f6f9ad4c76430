// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Decide turns a selection and the facts into what is to change. It returns a
// [*Refusal] if the container must not run. A capability, seccomp rule or
// device that it returns is complete: a channel delivers all of it or refuses.
func (p *Policy) Decide(s Selection, f *Facts) (Decision, error) {
	if s.Empty() {
		return Decision{}, nil
	}
	d := decider{policy: p, facts: f, profiles: s.Profiles(), reasons: s.reasons()}
	for _, k := range s.granted {
		d.requests = append(d.requests, k.requests...)
		if conflict := d.merged.merge(&k.profile.merged, k.asked()); conflict != nil {
			return Decision{}, d.refuse(Conflict, "", "would get profiles that do not go together: %s", conflict)
		}
	}
	if err := d.namespacesKnown(); err != nil {
		return Decision{}, err // what all else means depends on them
	}
	wrong := d.requirements()
	for i := range kinds {
		wrong = Together(wrong, kinds[i].decide(&d))
	}
	wrong = Together(wrong, d.processes())
	if wrong != nil {
		return Decision{}, refused(wrong, Selection{}, d.out)
	}
	d.beyond(s)
	d.warnUnusable()
	return Decision{Profiles: d.profiles, Adjustment: d.out, Reasons: d.reasons}, nil
}

// decider holds one decision while it is being made.
type decider struct {
	policy   *Policy
	facts    *Facts
	profiles []string            // the selected ones
	merged   merged              // theirs together
	requests []thirdPartyRequest // of third-party annotations
	out      Adjustment
	reasons  []Reason
}

func (d *decider) refuse(code Code, subject, format string, args ...any) *Refusal {
	return d.facts.Request.Refuse(code, subject, format, args...)
}

func (d *decider) note(code Code, profile, text string) {
	d.reasons = append(d.reasons, Reason{Code: code, Profile: profile, Text: text})
}

func (d *decider) userNamespace() bool { return d.facts.Request.UserNamespace.Value }

// beyond says where a denial does not keep a container from the node: one that is
// privileged has every device, whatever it may not call.
func (d *decider) beyond(s Selection) {
	if !d.privileged() {
		return
	}
	for _, k := range s.granted {
		if k.profile.takesAway {
			d.note(Beyond, k.profile.Name, fmt.Sprintf("the container is privileged: it has every device of the node, whatever profile %q denies; only admission keeps privileged pods out", k.profile.Name))
		}
	}
}

// privileged reports whether the container may use every device.
func (d *decider) privileged() bool {
	return slices.ContainsFunc(d.facts.Container.DeviceRules, func(r specs.LinuxDeviceCgroup) bool {
		return r.Allow && (r.Type == "" || r.Type == "a") && (r.Major == nil || *r.Major < 0) && strings.Contains(r.Access, "w")
	})
}

// namespacesKnown stops where the runtime tells nothing of namespaces: what a
// device or a capability means depends on the user namespace.
func (d *decider) namespacesKnown() error {
	if !d.facts.Request.UserNamespace.OK {
		return d.refuse(UnknownFact, d.profiles[0], "would get profile %q, whose meaning depends on the pod's namespaces, and the runtime does not tell them",
			d.profiles[0])
	}
	return nil
}

func (d *decider) requirements() error {
	return Together(d.userNamespaceRequired(), d.cgroupRequired())
}

func (d *decider) userNamespaceRequired() error {
	if !d.merged.requires.UserNamespace || d.userNamespace() {
		return nil
	}
	return d.refuse(Unmet, d.merged.requiredBy["user_namespace"], "would get profile %q, which requires a user namespace",
		d.merged.requiredBy["user_namespace"]).Advise("set hostUsers: false in the pod's spec")
}

func (d *decider) cgroupRequired() error {
	need := d.merged.requires.Cgroup
	if need == "" {
		return nil
	}
	have := d.facts.Host.Cgroup
	if !have.OK {
		return d.refuse(UnknownFact, d.merged.requiredBy["cgroup"], "would get profile %q, which requires cgroup %s, and this node's version could not be told",
			d.merged.requiredBy["cgroup"], need)
	}
	if have.Value.Version != need {
		return d.refuse(Unmet, d.merged.requiredBy["cgroup"], "would get profile %q, which requires cgroup %s, and this node has %s",
			d.merged.requiredBy["cgroup"], need, have.Value.Version)
	}
	return nil
}

// absolute cleans a path of the container. The runtime takes one that lacks
// its leading slash as if it were there.
func absolute(p string) string { return path.Clean("/" + p) }
