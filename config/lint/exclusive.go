// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"path"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// shared looks for granted profiles that give, by annotation or slots, a device that is a
// unit of an exclusive profile. Two exclusive profiles never give one device at a time.
func (l *linter) shared(p *config.Profile, at at) {
	if !p.Resource.Exclusive {
		return
	}
	for i := range l.config.Grants {
		for _, name := range l.config.Grants[i].Profiles {
			if l.profiles[name].Resource.Exclusive {
				continue
			}
			for _, other := range l.closure(name) {
				if what := l.sharedDevice(p, other); what != "" {
					l.add("shared_unit", at("resource.exclusive"),
						fmt.Sprintf("%s is true, and profile %q gives %s as well", where(p, "resource.exclusive"), name, what),
						"take the device out of one of them, or write slots")
				}
			}
		}
	}
}

// sharedDevice names a device of the other profile that may be one of p's; "" for none.
func (l *linter) sharedDevice(p, other *config.Profile) string {
	for _, own := range l.closure(p.Name) {
		for _, a := range own.Devices {
			for _, b := range other.Devices {
				if mayBeOne(a.Selector(), b.Selector()) {
					return b.Selector().String()
				}
			}
		}
	}
	return ""
}

// mayBeOne reports whether two selectors may find one device, as far as their text tells.
func mayBeOne(a, b policy.DeviceSelector) bool {
	if a.Path != "" && b.Path != "" {
		ab, _ := path.Match(a.Path, b.Path)
		ba, _ := path.Match(b.Path, a.Path)
		return ab || ba || a.Path == b.Path
	}
	x, y := a.USB, b.USB
	return a.Path == b.Path && x.Vendor == y.Vendor && x.Product == y.Product && x.Subsystem == y.Subsystem &&
		(x.Serial == y.Serial || x.Serial == "" || y.Serial == "")
}
