// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import "sync/atomic"

// Stats counts since the agent's start.
type Stats struct {
	Unconcerned          atomic.Uint64 // containers that no grant concerns
	Adjusted             atomic.Uint64 // containers that got profiles; in audit mode, would have
	Refused              atomic.Uint64 // containers refused; in audit mode, would have been
	Lacking              atomic.Uint64 // containers found without what the policy would give them
	Synchronized         atomic.Uint64 // registrations with the runtime
	RegistrationFailures atomic.Uint64 // registrations that the runtime ended before it had listed all
	Reloads              atomic.Uint64 // policies that replaced another
	ReloadFailures       atomic.Uint64 // policies that were refused; the former stayed
}
