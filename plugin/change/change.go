// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

// Change is one change of an adjustment, small enough to be said on a line.
type Change struct {
	Kind  *Kind
	Field string // what it changes: a path in the OCI spec, or "node"
	Text  string // "+" what comes, "-" what goes, "=" what is set
	// Only is the change as an adjustment of its own.
	Only Adjustment
}

// Changes takes an adjustment apart. Put together again, the changes are the
// whole.
func (a *Adjustment) Changes() []Change {
	var out []Change
	for _, k := range kinds {
		if !k.In(a) {
			continue
		}
		for _, c := range k.list(a) {
			c.Kind = k
			if c.Field == "" {
				c.Field = k.Field
			}
			out = append(out, c)
		}
	}
	return out
}

// Channel is what delivers a change.
type Channel string

// The channels.
const (
	Agent   Channel = "agent"   // does it on the node itself
	NRI     Channel = "NRI"     // the reply to the runtime
	Wrapper Channel = "wrapper" // the runtime wrapper
	Nobody  Channel = "nobody"  // which refuses the container
)
