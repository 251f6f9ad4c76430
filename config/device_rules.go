// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// deviceRule is Docker's --device-cgroup-rule.
var deviceRule = regexp.MustCompile(`^([abc]) ([0-9]+|\*):([0-9]+|\*) ([a-z]+)$`)

// The kernel's limits: MINORBITS in include/linux/kdev_t.h, and a dev_t of
// 32 bits.
const (
	maxMajor = 1<<12 - 1
	maxMinor = 1<<20 - 1
)

func (p *profile) deviceRules() {
	t := p.table
	for _, it := range t.list("device_cgroup_rules", `"c 188:* rw"`) {
		bad := func(remedy string) { t.doc.bad(it.path, "is %q: %s", it.value, remedy) }
		m := deviceRule.FindStringSubmatch(it.value)
		switch {
		case m == nil:
			bad(`write a type, numbers and access, as in "c 188:* rw"`)
			continue
		case m[1] == "a":
			bad(`"a" is both types: write one rule for c (character) and one for b (block)`)
			continue
		case m[2] == "*" && m[3] != "*":
			// systemd's DeviceAllow knows majors, so a driver that goes by it
			// would have to list every major there is.
			bad("no cgroup driver of systemd can say that of every major number: write the major, or *:* for all")
			continue
		}
		rule := specs.LinuxDeviceCgroup{Allow: true, Type: m[1], Access: sortAccess(m[4])}
		if rule.Access == "" {
			bad("write the access with one or more of r, w and m, each once")
		}
		var ok bool
		if rule.Major, ok = deviceNumber(m[2], maxMajor); !ok {
			bad("write a major number from 0 to " + strconv.Itoa(maxMajor))
		}
		if rule.Minor, ok = deviceNumber(m[3], maxMinor); !ok {
			bad("write a minor number from 0 to " + strconv.Itoa(maxMinor))
		}
		p.DeviceCgroupRules = append(p.DeviceCgroupRules, rule)
	}
}

// deviceNumber returns nil for the wildcard.
func deviceNumber(s string, most int64) (*int64, bool) {
	if s == "*" {
		return nil, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return &n, err == nil && n <= most
}
