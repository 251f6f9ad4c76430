// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/config"
)

// hostCapabilities are as good as root on the node where no user namespace bounds them,
// each with what it allows there; see capabilities(7).
var hostCapabilities = map[string]string{
	"CAP_SYS_ADMIN":       "mounts, and most of what root can set up",
	"CAP_SYS_MODULE":      "loads code into the kernel",
	"CAP_SYS_RAWIO":       "I/O ports, and raw commands to disks",
	"CAP_SYS_PTRACE":      "reads and changes any process that it sees, with hostPID those of the node",
	"CAP_SYS_BOOT":        "loads another kernel and boots it",
	"CAP_SYS_TIME":        "sets the node's clock",
	"CAP_DAC_READ_SEARCH": "opens any file of a mounted file system by its handle, outside the container too",
	"CAP_BPF":             "loads programs into the kernel",
	"CAP_PERFMON":         "reads the kernel's memory by tracing",
	"CAP_MAC_ADMIN":       "changes the policy of AppArmor or Smack",
	"CAP_MAC_OVERRIDE":    "is above the policy of Smack",
	"CAP_AUDIT_CONTROL":   "turns the node's audit off",
}

// idleCapabilities are those that the kernel looks for in the first user namespace
// alone: capable(), not ns_capable(). For CAP_MKNOD see vfs_mknod; a whiteout needs none.
var idleCapabilities = []string{"CAP_MKNOD", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_SYSLOG", "CAP_LINUX_IMMUTABLE",
	"CAP_AUDIT_CONTROL", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND"}

func (l *linter) capabilities(g *view) {
	for _, p := range g.parts {
		bounded := g.inUserNamespace(p.granted)
		for _, name := range p.Capabilities.Add {
			gives := fmt.Sprintf("%s gives %s", g.named(p), name)
			switch {
			case bounded:
			case hostCapabilities[name] != "":
				l.add("host_capability", g.of(p), fmt.Sprintf("%s (%s) to pods without a user namespace", gives, hostCapabilities[name]),
					"write requires = { user_namespace = true } in the profile")
			case name == "CAP_MKNOD" && g.has(blockRule):
				l.add("mknod_and_disks", g.of(p), gives+", and the grant has a rule for block devices", "name the device under devices, without MKNOD")
			case name == "CAP_MKNOD":
				l.add("mknod_capability", g.of(p), gives+" to pods without a user namespace",
					`write user_namespace = "required" in the grant, or name the devices under devices`)
			}
		}
	}
}

// idle finds capabilities that do nothing where the profile may be given.
func (l *linter) idle(p *config.Profile, at at) {
	for i, name := range p.Capabilities.Add {
		if p.Requires.UserNamespace && slices.Contains(idleCapabilities, name) {
			l.add("idle_capability", at(fmt.Sprintf("capabilities.add[%d]", i)),
				fmt.Sprintf("%s has %s, for pods with a user namespace", where(p, "capabilities.add"), strings.TrimPrefix(name, "CAP_")), "leave it out")
		}
	}
}

// blockRule finds a rule that opens block devices to whoever makes the node.
func blockRule(p *config.Profile) bool {
	for _, r := range p.DeviceCgroupRules {
		if r.Type == "b" && r.Access != "m" && (r.Major == nil || slices.Contains(diskMajors, *r.Major)) {
			return true
		}
	}
	return false
}
