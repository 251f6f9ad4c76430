// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Request is what Select needs to know of a container: who it is and what its
// pod asks for. Strings and maps are shared with the caller, never changed.
type Request struct {
	Namespace   string            // the pod's Kubernetes namespace
	Pod         string            // the pod's name
	Labels      map[string]string // the pod's labels
	Annotations map[string]string // the pod's annotations
	Container   string            // the container's name within its pod
	Handler     string            // the CRI runtime handler; "" is the runtime's default
	Allotted    Allotted          // what the container asks for in its resource limits; nil for nothing

	// UserNamespace tells whether the pod has a user namespace of its own
	// (hostUsers: false). Unknown if the runtime sent no namespaces.
	UserNamespace Known[bool]
}

// Container is what the runtime tells of the container that it is about to
// create, beside the Request.
type Container struct {
	ID     string
	User   Known[User]     // the ids that its process runs as, seen from inside
	Groups Known[[]uint32] // its supplementary groups, fsGroup among them
	// Capabilities are those that it has of its own.
	Capabilities Known[[]string]
	// OwnAppArmor says that its pod has chosen an AppArmor profile, or none.
	OwnAppArmor bool
	Mounts      []specs.Mount
	// RuntimeShm says that what is mounted at SharedMemory is the runtime's own.
	RuntimeShm bool
	Devices    []specs.LinuxDevice
	// DeviceRules are the device-cgroup rules of its own spec.
	DeviceRules  []specs.LinuxDeviceCgroup
	Namespaces   []specs.LinuxNamespace // of its own spec
	PIDNamespace Known[PIDNamespace]
	// CgroupsPath is linux.cgroupsPath of its spec; "" if unknown.
	CgroupsPath string

	// HostNamespaces lists the namespace types that the pod shares with the
	// node. Unknown if the runtime sent no namespaces.
	HostNamespaces Known[[]specs.LinuxNamespaceType]
	// MaybeHost lists those of which it is not known. None is in
	// HostNamespaces.
	MaybeHost []specs.LinuxNamespaceType

	// PodSysctls are the sysctls that nodegate gave to other containers of
	// the same pod, by name.
	PodSysctls map[string]GivenSysctl
	// Held are the devices that other containers have as units.
	Held []HeldDevice
}

// User is the uid and the primary gid of a container's process.
type User struct{ UID, GID uint32 }

// GivenSysctl is a sysctl that a container of the pod got, and which one.
type GivenSysctl struct{ Value, Container string }

// Host is what only the node can tell.
type Host struct {
	// Devices holds, for each of Selection.DeviceSelectors, the nodes that it
	// names, or why it names none.
	Devices map[DeviceSelector]DeviceLookup
	// Sources says of the sources of the container's bind mounts what they are,
	// as far as they lie in /dev.
	Sources map[string]VolumeSource
	// UIDMap and GIDMap are the id maps of the user namespace that the pod is in:
	// its own, or else the node's, where unknown stands for all ids.
	UIDMap, GIDMap Known[[]specs.LinuxIDMapping]
	// Cgroup is unknown where no cgroups are mounted.
	Cgroup Known[Cgroup]
	// AppArmor is about Selection.AppArmor.
	AppArmor Known[AppArmor]
}

// DeviceLookup answers one selector. No nodes and no error means that it
// matches nothing on this node.
type DeviceLookup struct {
	Nodes []HostDevice
	Err   error // says what is wrong with a path that does exist
	// Directory says that the pattern names a directory, and Nodes are the
	// devices below it.
	Directory bool
}

// VolumeSource is what a pod's volume has of the node's /dev: a device, or the
// directory whose path without symbolic links is Directory.
type VolumeSource struct {
	Device    Known[HostDevice]
	Directory string
}

// HostDevice is a device node as stat(2) on the node shows it.
type HostDevice struct {
	Path         string // as the pattern matched it
	Resolved     string // without symbolic links
	Type         string // "c" or "b", as in the runtime-spec
	Major, Minor int64
	Mode         fs.FileMode // permission bits only
	UID, GID     uint32      // its owner on the node
	Unit         string      // its id as a unit of a resource, with Selection.NamesUnits
}

// Facts is all that a decision rests on.
type Facts struct {
	Request   Request
	Container Container
	Host      Host
	// TellingRuntime says which runtime tells the container's user, for sentences.
	TellingRuntime string
}

// PodNamespaces are the types of namespaces that a pod may share with the node,
// and that sysctls belong to.
func PodNamespaces() []specs.LinuxNamespaceType {
	return []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace}
}

// SharedNamespaces returns those that a pod shares with the node, by the list of
// its own: the pod's, since a container of a pod with host networking names a
// network namespace all the same. No list at all means that none was told.
func SharedNamespaces(own []specs.LinuxNamespace) (unknown Known[[]specs.LinuxNamespaceType]) {
	if len(own) == 0 {
		return unknown
	}
	var shared []specs.LinuxNamespaceType
	for _, kind := range PodNamespaces() {
		if !slices.ContainsFunc(own, func(n specs.LinuxNamespace) bool { return n.Type == kind }) {
			shared = append(shared, kind)
		}
	}
	return Is(shared)
}
