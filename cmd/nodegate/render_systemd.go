// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
)

// properties are settings of a unit, see systemd.resource-control(5).
type properties struct {
	lines []property
	nodes []string // devices that have to be in the node's /dev
}

// property is a setting, or what there is to say where no setting does it.
type property struct{ setting, note string }

// systemdProperties translates what a node needs; globs are looked up on this
// machine.
func systemdProperties(needs policy.Needs, machine *host.Host, cgroupV1 bool) *properties {
	p := &properties{}
	// closed: the devices of every container, such as /dev/null, and these.
	p.set("DevicePolicy=closed")
	if cgroupV1 {
		// runc's AllowedDevices: on v1 a cgroup cannot allow what the one above it
		// does not, and runc gives up. On v2 the filters of both just have to agree.
		p.note("what runc gives to every container, and on cgroup v1 does not start one without")
		p.set("DeviceAllow=char-* m")
		p.set("DeviceAllow=block-* m")
		p.set("DeviceAllow=/dev/char/10:200 rwm")
	}
	for _, d := range needs.Devices {
		p.device(d, machine.LookupDevice(d.Selector()))
	}
	for _, r := range needs.DeviceRules {
		p.set("DeviceAllow=%s %s", specifier(r.Type, r.Major, r.Minor), withMknod(r.Access))
	}
	if needs.CgroupWritable {
		p.set("Delegate=yes")
	}
	return p
}

func (p *properties) set(format string, args ...any) {
	p.lines = append(p.lines, property{setting: fmt.Sprintf(format, args...)})
}

func (p *properties) note(format string, args ...any) {
	p.lines = append(p.lines, property{note: fmt.Sprintf(format, args...)})
}

// device writes a path as it is: systemd looks it up when the unit starts, and
// leaves it out where there is none. It expands globs of driver names only, and
// takes no directories.
func (p *properties) device(d policy.DeviceRule, found policy.DeviceLookup) {
	access := withMknod(d.Access)
	what := "expands no globs of paths"
	switch {
	case found.Directory:
		what = "takes no directories"
	case d.Path == "":
		what = "knows no USB device by its descriptors"
	case !strings.ContainsAny(policy.UdevGlob(d.Path), `*?[`):
		p.path(d.Path, access, found.Nodes)
		return
	}
	here := "what this machine has now follows"
	switch {
	case found.Err != nil:
		here = found.Err.Error()
	case len(found.Nodes) == 0:
		here = "this machine has none now"
	}
	p.note("%s: systemd %s: %s; for devices that come later write DeviceAllow=char-DRIVER %s, with the driver's name in /proc/devices",
		d.Selector(), what, here, access)
	for _, n := range found.Nodes {
		p.path(n.Path, access, []policy.HostDevice{n})
	}
}

// wordPath is a path that every syntax of systemd takes without quotes.
var wordPath = regexp.MustCompile(`^[\w/.,:+@=-]+$`)

func (p *properties) path(path, access string, found []policy.HostDevice) {
	switch {
	case wordPath.MatchString(path):
		p.set("DeviceAllow=%s %s", path, access)
		p.nodes = append(p.nodes, path)
	case len(found) == 1:
		p.note("%s, by its number: systemd-run takes no such path", policy.QuotePath(path))
		p.set("DeviceAllow=%s %s", specifier(found[0].Type, &found[0].Major, &found[0].Minor), access)
	default:
		p.note("%s is not on this machine now, and systemd-run takes no such path: run this where the device is", policy.QuotePath(path))
	}
}

// specifier is systemd's name for a device or a range of them. It takes a number
// in the place of a driver's name, since systemd 240.
func specifier(kind string, major, minor *int64) string {
	class := map[string]string{"c": "char", "b": "block"}[kind]
	switch {
	case major == nil: // the minor is nil too: config refuses anything else
		return class + "-*"
	case minor == nil:
		return fmt.Sprintf("%s-%d", class, *major)
	}
	return fmt.Sprintf("/dev/%s/%d:%d", class, *major, *minor)
}

// withMknod adds m: whatever the policy says of it, the agent, the runtime or
// the container has to make the node.
func withMknod(access string) string { return strings.TrimSuffix(access, "m") + "m" }

func (p *properties) writeNotes(w io.Writer) error {
	for _, l := range p.lines {
		if l.note != "" {
			if _, err := fmt.Fprintln(w, "nodegate:", l.note); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeOptions writes one line of options for a shell.
func (p *properties) writeOptions(w io.Writer) error {
	var out []string
	for _, l := range p.lines {
		if l.setting != "" {
			out = append(out, "-p "+quoteShell(l.setting))
		}
	}
	_, err := fmt.Fprintln(w, strings.Join(out, " "))
	return err
}

// quoteShell quotes a setting, which has no quotes in it (wordPath).
func quoteShell(setting string) string {
	if strings.ContainsAny(setting, " *") {
		return "'" + setting + "'"
	}
	return setting
}

// writeDropIn writes a file for the unit's folder UNIT.d.
func (p *properties) writeDropIn(w io.Writer, unit, section string) error {
	var out strings.Builder
	fmt.Fprintf(&out, "# /etc/systemd/system/%s.d/nodegate.conf, by nodegate render systemd.\n", unit)
	fmt.Fprintln(&out, "# What else the node needs for itself, such as /dev/kmsg for a kubelet, goes\n# into another file there.")
	if strings.HasPrefix(unit, "systemd-nspawn@") {
		p.nspawnNotes(&out)
	}
	fmt.Fprintf(&out, "\n[%s]\n", section)
	for _, l := range p.lines {
		if l.note != "" {
			fmt.Fprintf(&out, "# %s\n", l.note)
			continue
		}
		fmt.Fprintln(&out, l.setting)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// nspawnNotes say what properties of a unit cannot: systemd-nspawn's own settings.
func (p *properties) nspawnNotes(out *strings.Builder) {
	fmt.Fprint(out, `#
# The node's own file, /etc/systemd/nspawn/NAME.nspawn, needs this as well. In a user
# namespace, which this unit gives it otherwise, nobody can make device nodes.
#
#   [Exec]
#   PrivateUsers=no
`)
	if len(p.nodes) > 0 {
		fmt.Fprint(out, "#\n#   [Files]\n")
	}
	for _, node := range p.nodes {
		fmt.Fprintf(out, "#   Bind=-%s\n", node)
	}
}
