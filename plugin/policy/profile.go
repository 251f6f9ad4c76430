// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"io/fs"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Profile is a named bundle of what a container gets, as the administrator
// wrote it. Its fields are already well formed: config checks syntax.
type Profile struct {
	Name        string
	Description string
	Include     []string // other profiles whose content this one has too
	Requires    Requires

	Devices []DeviceRule
	// OneOf are lists of devices of which the node has to have at least one. Each
	// device is among Devices, too, as an optional one.
	OneOf             [][]DeviceSelector `json:",omitempty"`
	DeviceCgroupRules []specs.LinuxDeviceCgroup
	CDIDevices        []string
	AdoptDevices      bool

	Capabilities Capabilities
	Seccomp      []SeccompRule
	Sysctls      map[string]string // values may hold {max_uid} and {max_gid}
	Env          map[string]string
	Rlimits      map[string]string // as change.ParseRlimit reads them

	CgroupWritable bool
	Tmpfs          []Tmpfs
	ProcUnmasked   bool
	AppArmor       string // the name of a profile, or change.Unconfined

	Resource Resource `json:",omitzero"`
}

// Tmpfs is a tmpfs that the container gets.
type Tmpfs struct {
	Path string // in the container
	Size int64  // in bytes; 0 for the kernel's, half of the node's memory
}

// Requires are conditions; a container that would get the profile where one
// does not hold is refused.
type Requires struct {
	UserNamespace bool
	Cgroup        CgroupVersion // "" for any
}

// DeviceRule names device nodes of the host and how a container gets them.
type DeviceRule struct {
	Path          string // absolute path or glob on the host, under /dev; "" for USB
	USB           USB    `json:",omitzero"`
	ContainerPath string // "" for the host's own path
	Live          string `json:",omitempty"` // the container's directory, for devices that come and go
	Access        string // of "rwm", in that order, not empty
	Mode          Known[fs.FileMode]
	UID, GID      ID
	// UIDElse and GIDElse are for an id of the host that the pod's user
	// namespace does not have.
	UIDElse, GIDElse ID
	Optional         bool // absent on this node is no error
	// Type, Major and Minor are what the node's device must be; "" and unknown
	// for any.
	Type         string
	Major, Minor Known[int64]
}

// Selector says which device nodes the rule is about.
func (r *DeviceRule) Selector() DeviceSelector { return DeviceSelector{Path: r.Path, USB: r.USB} }

// ID is the uid or gid that a device belongs to in the container. The zero ID
// is what the policy does not say: the container's root, or for a gid whose
// rights differ from everybody's, the host's.
type ID struct {
	Of     IDOf
	Number uint32 // with OfNumber
}

// IDOf is whose an id is.
type IDOf string

// The ids that a policy can mean.
const (
	OfNumber  IDOf = "number"
	OfProcess IDOf = "user" // that of the container's process
	OfHost    IDOf = "host" // that of the node's device
)

// Grant says who may have which profiles.
type Grant struct {
	Source     string // where it is written, for reasons: file:line
	Profiles   []string
	Namespaces []string // globs on the pod's namespace

	// The rest narrows, and is in the hand of a pod's author.
	Pods          Selector // nil for every pod
	Containers    []string // globs; empty for every container
	Handlers      []string // empty for the default set
	UserNamespace UserNamespaceRule
	Always        bool // without being asked

	Accept []ThirdParty // third-party annotations that are read as requests
}

// UserNamespaceRule narrows a grant by the pod's user namespace.
type UserNamespaceRule string

// The values of a grant's user_namespace.
const (
	AnyUserNamespace       UserNamespaceRule = "any"
	RequiredUserNamespace  UserNamespaceRule = "required"
	ForbiddenUserNamespace UserNamespaceRule = "forbidden"
)

// Selector is a Kubernetes label selector. It is an interface so that the
// engine, and the wrapper that shares its types, link no Kubernetes code.
type Selector interface {
	Matches(labels map[string]string) bool
	String() string
	// Label returns one label that every selected pod carries, if the
	// selector implies one; grants are indexed by it.
	Label() (key, value string, ok bool)
	// Keys returns the labels that the selector looks at.
	Keys() []string
}
