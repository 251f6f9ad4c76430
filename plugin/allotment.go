// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"slices"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// Allotments tells whether the kubelet allotted units of a profile, and no others, to the
// container that is about to be created. It is asked once for each container.
type Allotments func(ctx context.Context, r *policy.Request, profile string, units []string) bool

// confirm makes known what the kubelet has allotted of what the request claims.
func (p *Plugin) confirm(ctx context.Context, r *policy.Request) {
	if p.node.Allotted == nil {
		return
	}
	for profile, units := range r.Allotted {
		units.OK = p.node.Allotted(ctx, r, profile, units.Value)
		r.Allotted[profile] = units
	}
}

// confirmFrom makes known what was confirmed when the container was created, by its record.
func confirmFrom(r *policy.Request, from *record.Record) {
	for profile, units := range r.Allotted {
		units.OK = len(units.Value) > 0 && slices.Equal(from.Units[profile], units.Value)
		r.Allotted[profile] = units
	}
}

// units are those that a record keeps of what the kubelet allotted.
func units(r *policy.Request) map[string][]string {
	if len(r.Allotted) == 0 {
		return nil
	}
	out := map[string][]string{}
	for profile, units := range r.Allotted {
		if units.OK {
			out[profile] = units.Value
		}
	}
	return out
}
