// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/nodegate/nodegate/plugin/change"

// Adjustment is that of package change, as the other parts of a decision are.
type (
	Adjustment       = change.Adjustment
	Device           = change.Device
	Process          = change.Process
	ShadowNode       = change.ShadowNode
	Capabilities     = change.Capabilities
	SeccompRule      = change.SeccompRule
	CgroupDelegation = change.CgroupDelegation
)

// Decision is the answer for one container: what it got, what is to change
// for that, and the trail that led there.
type Decision struct {
	Profiles   []string
	Adjustment Adjustment
	Reasons    []Reason
}
