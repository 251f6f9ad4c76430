// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Adjustment is what is to change in a container's OCI spec, in the words of
// the runtime-spec. It says nothing about how the change gets there.
//
// It is also the content of a decision record, hence the JSON names.
type Adjustment struct {
	Devices     []Device                  `json:"devices,omitempty"`
	DeviceRules []specs.LinuxDeviceCgroup `json:"deviceRules,omitempty"`
	ShadowNodes []ShadowNode              `json:"shadowNodes,omitempty"`
	CDIDevices  []string                  `json:"cdiDevices,omitempty"`
	// AdoptDevices are the container paths of devices which the pod has
	// already, and which are to belong to the ids of its process. In a user
	// namespace shadow nodes do that.
	AdoptDevices []string      `json:"adoptDevices,omitempty"`
	Mounts       []specs.Mount `json:"mounts,omitempty"`

	Capabilities Capabilities      `json:"capabilities,omitzero"`
	Seccomp      []SeccompRule     `json:"seccomp,omitempty"`
	Sysctls      map[string]string `json:"sysctls,omitempty"`
	Env          map[string]string `json:"env,omitempty"`

	// Namespaces are new ones of the container's own, by type.
	Namespaces   []specs.LinuxNamespaceType `json:"namespaces,omitempty"`
	ProcUnmasked bool                       `json:"procUnmasked,omitempty"`
	// Cgroup is handed over by the agent, before the container starts.
	Cgroup *CgroupDelegation `json:"cgroup,omitempty"`
}

// Device is a node that the OCI runtime creates, and the access to it: the
// letters of Access and no others.
type Device struct {
	specs.LinuxDevice
	Access  string  `json:"access"`
	Process Process `json:"process,omitzero"`
}

// Process says which ids of a node are to be those of the container's process.
// It is for runtimes that do not tell the agent who that is; the wrapper finds
// it in the spec.
type Process struct {
	UID bool `json:"uid,omitempty"`
	GID bool `json:"gid,omitempty"`
}

// ShadowNode is a node that must exist on the host, with this owner, before
// the container is created. Mounts of the same Adjustment bind it.
type ShadowNode struct {
	Path          string      `json:"path"` // on the host
	Type          string      `json:"type"` // "c" or "b"
	Major         int64       `json:"major"`
	Minor         int64       `json:"minor"`
	Mode          fs.FileMode `json:"mode"` // permission bits
	UID           uint32      `json:"uid"`  // on the host
	GID           uint32      `json:"gid"`
	ContainerPath string      `json:"containerPath"`
	// Replaces says that the pod has a device of its own at ContainerPath,
	// which has to leave its spec: the runtime would put it over the mount.
	Replaces bool `json:"replaces,omitempty"`
	// Process names ids that the wrapper has to change.
	Process Process `json:"process,omitzero"`
}

// Empty reports whether nothing is to change.
func (a *Adjustment) Empty() bool {
	return len(a.Devices) == 0 && len(a.DeviceRules) == 0 && len(a.ShadowNodes) == 0 &&
		len(a.CDIDevices) == 0 && len(a.AdoptDevices) == 0 && len(a.Mounts) == 0 &&
		len(a.Capabilities.Add) == 0 && len(a.Capabilities.Drop) == 0 &&
		len(a.Seccomp) == 0 && len(a.Sysctls) == 0 && len(a.Env) == 0 &&
		len(a.Namespaces) == 0 && !a.ProcUnmasked && a.Cgroup == nil
}

// Decision is the answer for one container: what it got, what is to change
// for that, and the trail that led there.
type Decision struct {
	Profiles   []string
	Adjustment Adjustment
	Reasons    []Reason
}
