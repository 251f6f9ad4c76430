// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
)

// handedOn are capabilities of the runtime's default ones without which container
// engines neither unpack an image nor start a container of their own.
var handedOn = []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"}

// warnUnusable warns of a cgroup that the container's user does not own, and of an
// engine that lacks what it hands to its own containers. What the runtime does not
// tell is not warned of.
func (d *decider) warnUnusable() {
	by, user := d.merged.cgroupWritableBy, d.facts.Container.User
	if by == "" {
		return
	}
	if user.OK && user.Value.UID != 0 {
		d.note(CannotUse, by, fmt.Sprintf("the cgroup of profile %q belongs to the container's root, and the container runs as uid %d: leave runAsUser out", by, user.Value.UID))
	}
	own := d.facts.Container.Capabilities
	if !own.OK || !slices.Contains(d.merged.capabilities.Add, "CAP_SYS_ADMIN") {
		return
	}
	var lacking []string
	for _, name := range handedOn {
		if !slices.Contains(own.Value, name) && !slices.Contains(d.merged.capabilities.Add, name) {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) > 0 {
		d.note(CannotUse, by, fmt.Sprintf("container engines need the runtime's default capabilities, and the pod drops %s: leave capabilities.drop out, or name there what no engine needs",
			strings.Join(lacking, ", ")))
	}
}
