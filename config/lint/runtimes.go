// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Supported returns the lines of containerd that this release supports, each as its
// newest release does.
func Supported() []runtimes.Runtime {
	var out []runtimes.Runtime
	for _, row := range runtimes.Rows(runtimes.Containerd) {
		line := fmt.Sprintf("%d.%d", row.Since[0], row.Since[1])
		r := runtimes.Runtime{Name: runtimes.Containerd, Version: line, NRI: row.NRI, Features: row.Features}
		if last := len(out) - 1; last >= 0 && out[last].Version == line {
			out[last] = r
			continue
		}
		out = append(out, r)
	}
	return out
}

// lackedBy names what of a profile some runtime's NRI cannot deliver to a pod that the
// grant is for, and which those are; "" for nothing. wrapped says whether all of these
// pods run under nodegate-runc, which delivers nearly all.
func (l *linter) lackedBy(g *view, p *config.Profile, wrapped bool) (what string, who []string) {
	for _, k := range p.Kinds() {
		need := features(g, p, k)
		if need == 0 || wrapped && k.Wrapper {
			continue
		}
		var lacking []string
		for _, r := range l.runtimes {
			if !r.Has(need) {
				lacking = append(lacking, releaseOf(lacking, r))
			}
		}
		if len(lacking) > len(who) {
			what, who = k.Key, lacking
		}
	}
	return what, who
}

// features are what a runtime's NRI must have for a kind of change of a profile; 0
// where the kind alone makes no difference between runtimes.
func features(g *view, p *config.Profile, k *change.Kind) change.Features {
	need := k.NRI()
	if k != change.KindDevices {
		return need
	}
	for _, d := range p.Devices {
		if d.Access != "rw" && d.Access != "rwm" {
			need |= change.DeliversAccess
		}
		if d.UID.Of == policy.OfProcess || d.GID.Of == policy.OfProcess {
			need |= change.TellsUser
		}
	}
	if g.UserNamespace != policy.ForbiddenUserNamespace {
		need |= change.DeliversUserNamespaceDevices
	}
	return need
}

// alwaysOnEach finds grants by which pods start on one release of a runtime and are
// refused on another.
func (l *linter) alwaysOnEach(g *view) {
	if !g.Always {
		return
	}
	for _, p := range g.parts {
		if what, who := l.refusedBy(g, p); what != "" {
			l.add("always_runtime", g.of(p), fmt.Sprintf("%s has %s, which the NRI of %s cannot deliver", g.named(p), what, words(who)),
				"write nodegate check --runtime NAME/VERSION for what the nodes run")
		}
	}
}

// refusedBy is lackedBy for the pods of the grant that are worst off.
func (l *linter) refusedBy(g *view, p part) (what string, who []string) {
	return l.lackedBy(g, p.Profile, !slices.ContainsFunc(l.handlers(g), func(h string) bool { return !l.wrapped(h) }))
}

// mayRefuse reports whether pods of an always grant can be refused for it.
func (l *linter) mayRefuse(g *view) bool {
	return g.Always && slices.ContainsFunc(g.parts, func(p part) bool {
		what, _ := l.refusedBy(g, p)
		return what != "" || p.Requires.UserNamespace || needsWrapper(p.Profile) != "" ||
			slices.ContainsFunc(p.Devices, func(d policy.DeviceRule) bool { return !d.Optional })
	})
}

// releaseOf names a runtime; after others of its name, by its version alone.
func releaseOf(others []string, r runtimes.Runtime) string {
	if len(others) > 0 && strings.HasPrefix(others[0], r.Name+" ") {
		return r.Version
	}
	return r.Name + " " + r.Version
}

// words lists names as a sentence does.
func words(names []string) string {
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}
