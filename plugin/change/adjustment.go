// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import "github.com/opencontainers/runtime-spec/specs-go"

// Adjustment is what is to change in a container's OCI spec, in the words of
// the runtime-spec. It does not say which channel delivers it.
//
// It is also the content of a decision record, hence the JSON names.
type Adjustment struct {
	Devices         []Device                  `json:"devices,omitempty"`
	DeviceRules     []specs.LinuxDeviceCgroup `json:"deviceRules,omitempty"`
	ShadowNodes     []ShadowNode              `json:"shadowNodes,omitempty"`
	LiveDirectories []LiveDirectory           `json:"liveDirectories,omitempty"`
	CDIDevices      []string                  `json:"cdiDevices,omitempty"`
	// AdoptDevices are the container paths of devices which the pod has
	// already, and which are to belong to the ids of its process. In a user
	// namespace shadow nodes do that.
	AdoptDevices []string      `json:"adoptDevices,omitempty"`
	Mounts       []specs.Mount `json:"mounts,omitempty"`
	// Unmounts are the destinations, as the pod has them, of binds that leave
	// the spec: a device comes in their place.
	Unmounts []string `json:"unmounts,omitempty"`

	Capabilities Capabilities        `json:"capabilities,omitzero"`
	Seccomp      []SeccompRule       `json:"seccomp,omitempty"`
	Sysctls      map[string]string   `json:"sysctls,omitempty"`
	Rlimits      []specs.POSIXRlimit `json:"rlimits,omitempty"`
	Env          map[string]string   `json:"env,omitempty"`

	// Namespaces are new ones of the container's own, by type.
	Namespaces   []specs.LinuxNamespaceType `json:"namespaces,omitempty"`
	ProcUnmasked bool                       `json:"procUnmasked,omitempty"`
	// AppArmor is the name of a profile, or Unconfined.
	AppArmor string `json:"appArmor,omitempty"`
	// Cgroup is handed over by the agent, before the container starts.
	Cgroup *CgroupDelegation `json:"cgroup,omitempty"`
}

// Empty reports whether nothing is to change.
func (a *Adjustment) Empty() bool {
	for _, k := range kinds {
		if k.In(a) {
			return false
		}
	}
	return true
}

// TakesAway reports whether the container ends with less than it had.
func (a *Adjustment) TakesAway() bool {
	for _, k := range kinds {
		if k.takesAway != nil && k.takesAway(a) {
			return true
		}
	}
	return false
}

// Gives reports whether the container gets something of the node, or a right.
// What only sets up the container itself does not count.
func (a *Adjustment) Gives() bool {
	for _, k := range kinds {
		if k.gives != nil && k.gives(a) {
			return true
		}
	}
	return false
}
