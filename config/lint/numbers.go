// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/change"
)

// Major numbers of the kernel's Documentation/admin-guide/devices.txt.
var (
	// diskMajors are of block devices that hold file systems: IDE, SCSI, md, the arrays
	// of HP, MMC, Xen, and what has more partitions than its own numbers reach.
	diskMajors = []int64{3, 8, 9, 22, 33, 34, 65, 66, 67, 68, 69, 70, 71, 104, 105, 106, 107, 108, 109, 110, 111,
		128, 129, 130, 131, 132, 133, 134, 135, 179, 202, 259}
	removable = map[int64]string{81: "video devices", 116: "sound devices", 166: "USB modems (ttyACM)", 180: "USB devices",
		188: "USB serial adapters (ttyUSB)", 189: "USB devices"}
)

// dynamic reports whether a major number is one that the kernel gives to whatever
// driver comes next, or leaves to local use.
func dynamic(kind string, major int64) bool {
	if kind == "b" {
		return major >= 240 && major <= 254
	}
	return major >= 234 && major <= 254 || major >= 384 && major <= 511
}

func (l *linter) deviceRules(p *config.Profile, at at) {
	for i, r := range p.DeviceCgroupRules {
		key := fmt.Sprintf("device_cgroup_rules[%d]", i)
		what := fmt.Sprintf("%s is %q", where(p, key), change.RuleText(&r))
		without := strings.ReplaceAll(r.Access, "m", "")
		if without != r.Access {
			write := "leave it out"
			if without != "" {
				r.Access = without
				write = fmt.Sprintf("write %q", change.RuleText(&r))
			}
			l.add("mknod_access", at(key), what, write)
		}
		if without == "" {
			continue // opens nothing
		}
		if p.Requires.UserNamespace {
			l.add("rule_in_user_namespace", at(key), what, "name the devices under devices")
		}
		l.reach(r, at(key), what)
	}
}

// reach says what a rule opens.
func (l *linter) reach(r specs.LinuxDeviceCgroup, place config.Place, what string) {
	named := "name the devices by path under devices"
	switch {
	case r.Major == nil && r.Type == "b":
		l.add("block_wildcard", place, what, "write the major number, or "+named)
	case r.Major == nil:
		l.add("every_char_device", place, what, "write the major number, or "+named)
	case r.Type == "b" && slices.Contains(diskMajors, *r.Major):
		l.add("disk", place, what+", a number of disks", "give a volume, or "+named)
	case r.Type == "c" && *r.Major == 1 && (r.Minor == nil || *r.Minor == 1 || *r.Minor == 2 || *r.Minor == 4):
		l.add("kernel_memory", place, what+", and 1:1 is /dev/mem, 1:2 /dev/kmem, 1:4 /dev/port", named)
	case r.Type == "c" && removable[*r.Major] != "":
		l.add("reused_number", place, fmt.Sprintf("%s, numbers of %s", what, removable[*r.Major]), named)
	case dynamic(r.Type, *r.Major):
		l.add("reused_number", place, fmt.Sprintf("%s, and %d is a major number that the kernel hands out", what, *r.Major), named)
	}
}
