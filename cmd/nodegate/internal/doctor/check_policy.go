// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

func checkPolicy(f *Facts) []Finding {
	p := f.Policy
	found := fmt.Sprintf("%s (%s), grants: %d", p.Path, p.Hash, p.Grants)
	switch {
	case p.Err != nil:
		return one(Problem, p.Err.Error(), "mend it: an agent does not start with it, and one that runs keeps the former")
	case p.Audit:
		return one(Warning, found+"; mode is audit: nothing is changed and nothing refused", `write mode = "enforce" when it is tried out`)
	case p.Grants == 0:
		return one(Warning, found+": no pod gets anything", "write a [[grants]]: docs/policy.md")
	case p.Warnings > 0:
		return one(Warning, fmt.Sprintf("%s, warnings: %d", found, p.Warnings), fmt.Sprintf("nodegate check --config %s says which", p.Path))
	}
	return one(OK, found, "")
}

func checkDevices(f *Facts) (out []Finding) {
	for _, d := range f.Policy.Devices {
		out = append(out, checkDevice(d))
	}
	return out
}

// name is a path as it is, for the column of what a finding is about.
func (d *Device) name() string { return cmp.Or(d.Selector.Path, d.Selector.String()) }

func checkDevice(d Device) Finding {
	one := Finding{Subject: d.name(), Status: OK}
	asks := fmt.Sprintf("containers that get %s are refused", list(d.Profiles))
	switch {
	case d.Lookup.Err != nil:
		one.Status, one.Found = Problem, fmt.Sprintf("%s: %s", d.Lookup.Err, asks)
		one.Remedy = "narrow the path in the profile to devices of /dev's own"
	case len(d.Lookup.Nodes) == 0 && d.Optional:
		one.Found = "absent, and optional"
	case len(d.Lookup.Nodes) == 0 && d.Units:
		one.Found = fmt.Sprintf("absent: pods that ask for %s go elsewhere", list(d.Profiles))
	case len(d.Lookup.Nodes) == 0:
		one.Status, one.Found = Problem, "absent: "+asks
		one.Remedy = "load its kernel module or plug it in, or write optional = true in the profile"
	default:
		checkNodes(d, &one)
	}
	return one
}

// checkNodes says what was found, and what has no driver.
func checkNodes(d Device, one *Finding) {
	var nodes []string
	for i, n := range d.Lookup.Nodes {
		text := fmt.Sprintf("%s %d:%d mode %04o", n.Type, n.Major, n.Minor, n.Mode.Perm())
		if n.Path != d.Selector.Path {
			text = n.Path + " " + text
		}
		switch driver := d.Drivers[i]; {
		case !driver.OK:
			text += ", driver unknown"
		case driver.Value.Loaded:
		case driver.Value.Module != "":
			text += fmt.Sprintf(", opening it loads the module %s", driver.Value.Module)
		default:
			text += ", without a driver: opening it answers ENODEV or ENXIO"
			one.Status, one.Remedy = Problem, "load its kernel module; where the kernel has none, take the profile from this node's policy"
		}
		nodes = append(nodes, text)
	}
	one.Found = strings.Join(nodes, ", ")
}

// checkAppArmor says where AppArmor keeps a container from what a profile gives.
func checkAppArmor(f *Facts) (out []Finding) {
	for _, a := range f.Policy.AppArmor {
		out = append(out, checkAppArmorOf(a))
	}
	return out
}

func checkAppArmorOf(a AppArmor) Finding {
	one := Finding{Subject: a.Profile, Status: OK}
	node := a.Node.Value
	switch {
	case !a.Node.OK:
		one.Status, one.Found = Unknown, "unknown: whether this node has AppArmor"
	case !node.Enabled:
		one.Found = "this node has no AppArmor"
	case a.Wanted == "":
		one.Status, one.Remedy = Warning, policy.MountsRemedy
		one.Found = fmt.Sprintf("this node has AppArmor, and the runtime's own profile denies the mounts that %s gives", a.Profile)
	case a.Wanted == change.Unconfined:
		one.Found = "unconfined"
	case !node.Loaded.OK:
		one.Status, one.Found = Unknown, fmt.Sprintf("unknown: whether this node has loaded %q", a.Wanted)
	case !node.Loaded.Value:
		one.Status, one.Remedy = Problem, policy.LoadAppArmor(a.Wanted)
		one.Found = fmt.Sprintf("this node has not loaded %q: containers that get %s are refused", a.Wanted, a.Profile)
	default:
		one.Found = fmt.Sprintf("%q is loaded", a.Wanted)
	}
	return one
}

func checkAgent(f *Facts) []Finding {
	a := f.Agent.Value
	const start = "start it (systemctl start nodegate) and see its log (journalctl -u nodegate)"
	switch {
	case !f.Agent.OK():
		return cannotTell(f.Agent.Unknown)
	case a.Err != nil:
		return one(Problem, fmt.Sprintf("%s: containers are created without their adjustment", a.Err), start)
	case !a.Ready:
		return one(Problem, fmt.Sprintf("runs, and is not ready: %s", a.Says), "see its log (journalctl -u nodegate)")
	}
	if a.Says != "" {
		return one(Warning, "ready, and says: "+a.Says, "see its log (journalctl -u nodegate)")
	}
	return one(OK, "ready at "+a.Listen, "")
}
