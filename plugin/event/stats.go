// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"sync/atomic"
	"time"
)

// Stats counts since the agent's start.
type Stats struct {
	Unmatched            atomic.Uint64 // containers that no grant concerns
	Adjusted             atomic.Uint64 // containers that got profiles; in audit mode, would have
	Refused              atomic.Uint64 // containers refused; in audit mode, would have been
	Outdated             atomic.Uint64 // containers found without what the policy would give them
	Synchronized         atomic.Uint64 // registrations with the runtime
	RegistrationFailures atomic.Uint64 // registrations that the runtime ended before it had listed all
	Reloads              atomic.Uint64 // policies that replaced another
	ReloadFailures       atomic.Uint64 // policies that were refused; the former stayed
}

// State is how the plugin stands with the runtime.
type State struct {
	Runtime string    // its name, version and NRI level; "" before the first registration
	Since   time.Time // of the registration; zero while there is none
	Reason  string    // why there is none
}
