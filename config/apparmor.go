// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// appArmorName leaves out the marks of stacks, namespaces and child profiles.
var appArmorName = regexp.MustCompile(`^[A-Za-z0-9/]([A-Za-z0-9._@+/-]{0,253}[A-Za-z0-9])?$`)

// apparmor takes the name of a profile as the kernel lists it. There is no word
// for the runtime's default: that is what a container has already.
func (p *profile) apparmor() {
	name, ok := p.table.str("apparmor", `"unconfined"`)
	local, isLocal := strings.CutPrefix(name, "localhost/")
	switch {
	case !ok:
	case name == "runtime/default" || name == "RuntimeDefault":
		p.table.bad("apparmor", "is %q, which a container has without it: leave it out", name)
	case isLocal:
		p.table.bad("apparmor", "is %q: write the profile's name alone, %q", name, local)
	case strings.EqualFold(name, change.Unconfined) && name != change.Unconfined:
		p.table.bad("apparmor", "is %q: write %q", name, change.Unconfined)
	case !appArmorName.MatchString(name) || strings.Contains(name, "//"):
		p.table.bad("apparmor", `is %q, which is not the name of a profile: write "unconfined" or a name that aa-status lists, in letters, digits and . _ - @ + /`, name)
	}
	p.AppArmor = name
}
