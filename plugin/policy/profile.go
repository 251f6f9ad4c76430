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

	Devices           []DeviceRule
	DeviceCgroupRules []specs.LinuxDeviceCgroup
	CDIDevices        []string
	AdoptDevices      bool

	Capabilities Capabilities
	Seccomp      []SeccompRule
	Sysctls      map[string]string // values may hold {max_uid} and {max_gid}
	Env          map[string]string

	CgroupWritable bool
	Tmpfs          []string // container paths
	ProcUnmasked   bool
}

// Requires are conditions; a container that would get the profile where one
// does not hold is refused.
type Requires struct {
	UserNamespace bool
	Cgroup        CgroupVersion // "" for any
}

// DeviceRule names device nodes of the host and how a container gets them.
type DeviceRule struct {
	Path          string // absolute path or glob on the host, under /dev
	ContainerPath string // "" for the host's own path
	Access        string // of "rwm", in that order, not empty
	Mode          Known[fs.FileMode]
	UID, GID      ID
	Optional      bool // absent on this node is no error
	// Type, Major and Minor are what the node's device must be; "" and unknown
	// for any.
	Type         string
	Major, Minor Known[int64]
}

// ID is a uid or gid inside the container: a number, or that of its process.
type ID struct {
	OfProcess bool // "user" in the policy
	Number    uint32
}

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

	Accept []Family // others' annotations that are read as requests
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
