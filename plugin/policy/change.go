// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/nodegate/nodegate/plugin/change"

type (
	// Adjustment is what is to change in a container's spec.
	Adjustment = change.Adjustment
	// Device is a node that the OCI runtime creates.
	Device = change.Device
	// DeviceSelector says which device nodes of the host are meant.
	DeviceSelector = change.DeviceSelector
	// USB names USB devices.
	USB = change.USB
	// Process says which ids of a node are those of the container's process.
	Process = change.Process
	// ShadowNode is a node that the agent makes on the host.
	ShadowNode = change.ShadowNode
	// LiveDirectory is a directory that the agent keeps.
	LiveDirectory = change.LiveDirectory
	// LiveDevices are the devices of one selector in it.
	LiveDevices = change.LiveDevices
	// Capabilities are those that a container gets and loses.
	Capabilities = change.Capabilities
	// SeccompRule allows or denies system calls.
	SeccompRule = change.SeccompRule
	// CgroupDelegation is a cgroup that is handed over.
	CgroupDelegation = change.CgroupDelegation
)

// Decision is the answer for one container: what it got, what is to change
// for that, and the trail that led there.
type Decision struct {
	Profiles   []string
	Adjustment Adjustment
	Reasons    []Reason
}
