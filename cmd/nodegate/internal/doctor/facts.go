// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"slices"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Fact is a fact, or why it is unknown.
type Fact[T any] struct {
	Value   T
	Unknown string // "" if the value is known
}

// OK reports whether the fact is known.
func (t Fact[T]) OK() bool { return t.Unknown == "" }

func fact[T any](v T) Fact[T] { return Fact[T]{Value: v} }

func unknown[T any](why string) Fact[T] { return Fact[T]{Unknown: why} }

// factOr is what a function returned that may fail.
func factOr[T any](v T, err error) Fact[T] {
	if err != nil {
		return unknown[T](err.Error())
	}
	return fact(v)
}

// Facts are all that is known of a node.
type Facts struct {
	Runtime    Fact[Runtime]    // as it says itself, over the CRI
	Containerd Fact[Containerd] // as its program reads its files
	NRI        Fact[NRISocket]  // where containerd listens for plugins
	Kernel     Kernel
	Cgroup     Cgroup
	OpenFiles  Fact[uint64] // the runtime's own limit, which its containers inherit
	Policy     Policy
	Shadows    Fact[error]               // what keeps shadow nodes from being made, or nil
	Confined   Fact[*host.ConfinedError] // what of the policy the node itself is denied, or nil
	Resources  Fact[Resources]
	Agent      Fact[Agent]
	Wrapper    Wrapper
	OCIRuntime Fact[OCIRuntime] // the real one
	Sizes      Fact[Sizes]
}

// Runtime is the container runtime as it describes itself.
type Runtime struct {
	Endpoint      string // its socket
	Name, Version string
	NRI           string // the version of NRI that it is taken to speak, in words
	Known         bool   // what its releases do is known
	DeliversAll   bool   // its NRI delivers all that any NRI does
	cri.Status

	does runtimes.Runtime // what its NRI does, as far as is known
}

// Handler is a runtime handler of containerd.
type Handler = cri.Handler

// Containerd is what the running program makes of its files today, or CRI-O of its own.
type Containerd struct {
	DropIns  string    // CRI-O's folder of them; "" for containerd
	Config   string    // path of its main file
	Edit     string    // the file that settings belong into: another one where Config is generated
	Changed  time.Time // when the newest of its files changed
	Started  time.Time
	Version  int // of the format that it writes
	Root     string
	Default  string // the handler that "" stands for
	Handlers map[string]Handler
	NRI      NRISettings
}

// NRISettings is containerd's table of NRI.
type NRISettings struct {
	Disabled, NoConnections bool
	Socket                  string
	Registration, Request   string     // timeouts, as written
	Validator               *Validator // nil before NRI 0.10
}

// Validator is NRI's default validator.
type Validator struct {
	Enabled  bool
	Rejects  []string // its reject_ keys that are true
	Required []string // plugins without which no container starts
	Tolerate string   // the annotation by which a pod does without those
}

// NRISocket is what is at the policy's nri.socket.
type NRISocket struct {
	Path      string
	Listening bool
	Plugins   int // connections
}

// Kernel is what the kernel does, tried out.
type Kernel struct {
	Release string
	// UserNamespaces says whether it makes any.
	UserNamespaces Fact[bool]
}

// Cgroup is how the node's cgroups are mounted.
type Cgroup struct {
	Version    policy.Known[policy.CgroupVersion]
	NSDelegate Fact[bool]
}

// Policy is the policy as the agent would read it.
type Policy struct {
	Path        string
	Err         error // it does not load; the rest are the defaults then
	Hash        string
	Audit       bool
	Grants      int
	Handlers    []string // whose OCI runtime is to be nodegate-runc
	StateDir    string
	Socket      string         // [nri] socket
	Warnings    int            // of nodegate check, that no comment accepts
	InContainer bool           // host_root is not "/": the agent's paths are not the node's
	Kinds       []*change.Kind // of change, in granted profiles
	Devices     []Device
	AppArmor    []AppArmor
}

// Changes reports whether a granted profile has changes of a kind.
func (p *Policy) Changes(k *change.Kind) bool { return slices.Contains(p.Kinds, k) }

// Wrapped are the keys of granted profiles that only the wrapper delivers.
func (p *Policy) Wrapped() []string {
	var keys []string
	for _, k := range p.Kinds {
		if k.NeedsWrapper() {
			keys = append(keys, k.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Device is one that a profile of the policy names.
type Device struct {
	Selector policy.DeviceSelector
	Profiles []string // that name it
	Optional bool     // for all of them
	Units    bool     // of all of them: a node may well have none
	Lookup   policy.DeviceLookup
	Drivers  []policy.Known[host.Driver] // of each node that was found
}

// AppArmor is a granted profile that AppArmor can stand in the way of.
type AppArmor struct {
	Profile string
	Wanted  string // the AppArmor profile that it names; "" if it gives mounts and names none
	Node    policy.Known[policy.AppArmor]
}

// Agent is the agent as it answers at [server] listen.
type Agent struct {
	Listen string
	Err    error // it does not answer
	Ready  bool
	Says   string // why it is not ready, or what is not well all the same
}

// Wrapper is nodegate-runc and its configuration.
type Wrapper struct {
	Programs map[string]Fact[Program] // by name or path: each handler's, and that in PATH
	Config   string                   // path of runc.toml
	Settings Fact[WrapperSettings]
	Err      error  // it does not load
	Own      string // this program's version
}

// WrapperSettings is what runc.toml says.
type WrapperSettings struct{ Path, StateDir string }

// Program is an OCI runtime's file.
type Program struct {
	Path    string
	Wrapper bool
	Script  bool   // which may run anything
	Version string // of a wrapper
}

// OCIRuntime is the real OCI runtime.
type OCIRuntime struct {
	Path, Version string
	Features      Fact[OCIFeatures]
}

// OCIFeatures are what it says that it can do.
type OCIFeatures struct{ Seccomp, IDMap bool }
