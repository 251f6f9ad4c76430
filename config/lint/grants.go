// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

func (l *linter) unusedProfiles() {
	used := map[string]bool{}
	for i := range l.config.Grants {
		for _, p := range l.view(i).parts {
			used[p.Name] = true
		}
	}
	for i := range l.config.Profiles {
		if p := &l.config.Profiles[i]; !p.BuiltIn && !used[p.Name] {
			l.add("unused_profile", l.config.ProfilePlace(p.Name, ""), fmt.Sprintf("profile %q is granted by nothing", p.Name), "grant it, or delete it")
		}
	}
}

// unmeetable finds conditions of a grant that exclude what its profiles need.
func (l *linter) unmeetable(g *view) {
	for _, p := range g.parts {
		bounded := g.inUserNamespace(p.granted)
		switch need := needsWrapper(p.Profile); {
		case p.Requires.UserNamespace && g.UserNamespace == policy.ForbiddenUserNamespace:
			l.add("never_given", g.of(p), g.named(p)+` requires a user namespace, and the grant has user_namespace = "forbidden"`, "leave that out")
		case bounded && len(p.CDIDevices) > 0:
			l.add("never_given", g.of(p), g.named(p)+" has cdi_devices, which no pod with a user namespace can use, and the grant reaches only such pods",
				"name the nodes under devices")
		case need != "" && !slices.ContainsFunc(l.handlers(g), l.wrapped):
			l.add("never_given", g.of(p), fmt.Sprintf("%s has %s, which requires nodegate-runc, and none of the grant's runtime handlers (%q) is in runtime.handlers",
				g.named(p), need, l.handlers(g)), "add one that is")
		}
	}
}

// always finds pods that a grant stops without being asked.
func (l *linter) always(g *view) {
	if !g.Always {
		return
	}
	for _, p := range g.parts {
		bounded := g.UserNamespace == policy.RequiredUserNamespace
		switch {
		case p.Requires.UserNamespace && g.UserNamespace != policy.ForbiddenUserNamespace && !bounded:
			l.add("always_refuses", g.of(p), g.named(p)+" requires a user namespace, and the grant is for all pods", `write user_namespace = "required" in the grant`)
		case len(p.CDIDevices) > 0 && !g.inUserNamespace(p.granted) && g.UserNamespace != policy.ForbiddenUserNamespace:
			l.add("always_refuses", g.of(p), g.named(p)+" has cdi_devices, which no pod with a user namespace can use, and the grant is for all pods",
				`write user_namespace = "forbidden" in the grant`)
		}
		need, handlers := needsWrapper(p.Profile), l.handlers(g)
		if need != "" && slices.ContainsFunc(handlers, l.wrapped) &&
			slices.ContainsFunc(handlers, func(h string) bool { return !l.wrapped(h) }) {
			l.add("always_needs_wrapper", g.of(p), fmt.Sprintf("%s has %s", g.named(p), need), `make nodegate-runc the default runtime, and write runtime.handlers = ["", …]`)
		}
		for _, d := range p.Devices {
			if !d.Optional {
				l.add("always_device", g.of(p), fmt.Sprintf("%s has the device %q, which is not optional", g.named(p), d.Path), "write optional = true there")
			}
		}
	}
}

// deniedOnRequest finds a denial that nobody has to ask for.
func (l *linter) deniedOnRequest(g *view) {
	if g.Always {
		return
	}
	for n, name := range g.Profiles {
		own := func(what func(*config.Profile) bool) bool {
			return slices.ContainsFunc(g.parts, func(p part) bool { return p.granted == n && what(p.Profile) })
		}
		if own(takesAway) && !own(gives) {
			l.add("denial_on_request", g.at(fmt.Sprintf("profiles[%d]", n)), fmt.Sprintf("profile %q only takes away, and is granted on request", name), `write apply = "always"`)
		}
	}
}

// accepted finds third-party annotations that no profile of the grant can be the answer to.
func (l *linter) accepted(g *view) {
	offersDevice := g.has(func(p *config.Profile) bool {
		return slices.ContainsFunc(p.Devices, func(d policy.DeviceRule) bool { _, ok := d.Offers(); return ok })
	})
	offersCgroup := g.has(func(p *config.Profile) bool { return p.CgroupWritable })
	for i, family := range g.Accept {
		what, write, offers := "a device at a path", "write devices without a glob, or with container_path", offersDevice
		switch family {
		case policy.CDI, policy.CDINvidia:
			what, write = "cdi_devices", "write a profile with cdi_devices"
			offers = g.has(func(p *config.Profile) bool { return len(p.CDIDevices) > 0 })
		case policy.WritableCgroups:
			what, write, offers = `cgroup = "writable"`, `write a profile with cgroup = "writable"`, offersCgroup
		}
		if !offers {
			l.add("accept_nothing", g.at(fmt.Sprintf("accept[%d]", i)), fmt.Sprintf("grants[%d].accept has %q, and none of the grant's profiles has %s", g.index, family, what), write)
		}
	}
}

// handlers are the runtime handlers that a grant reaches; "" is the default one. crun's
// is left out where the policy does not name it: a node need not have it.
func (l *linter) handlers(g *view) []string {
	if len(g.Handlers) > 0 {
		return g.Handlers
	}
	return append([]string{""}, l.config.Runtime.Handlers...)
}

func (l *linter) wrapped(handler string) bool {
	return slices.Contains(l.config.Runtime.Handlers, handler)
}
