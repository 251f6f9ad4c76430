// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/resource"
)

const (
	runcPath    = "/usr/bin/runc"
	wrapperPath = "/usr/local/bin/nodegate-runc"
)

// healthy are the facts of a node on which all is well.
func healthy() *Facts {
	handlers := map[string]Handler{
		"runc":     {SystemdCgroup: true},
		"nodegate": {BinaryName: wrapperPath, SystemdCgroup: true},
	}
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &Facts{
		Sizes: fact(Sizes{Pods: []cri.PodSize{{Name: "ci/web", Own: 1 << 10, Whole: 40 << 10}}, All: true}),
		Runtime: fact(Runtime{
			Endpoint: "/run/containerd/containerd.sock", Name: "containerd", Version: "v2.4.2", NRI: "containerd v2.4.2 (NRI 0.12.3)",
			Known: true, DeliversAll: true, Status: cri.Status{Handlers: handlers, Default: "runc", UserNamespaces: []string{"", "runc", "nodegate"}},
		}),
		Containerd: fact(Containerd{
			Config: "/etc/containerd/config.toml", Edit: "/etc/containerd/config.toml", Changed: started.Add(-time.Hour), Started: started, Version: 4,
			Root: "/var/lib/containerd", Default: "runc",
			Handlers: map[string]Handler{"runc": handlers["runc"], "nodegate": handlers["nodegate"]},
			NRI: NRISettings{
				Socket: "/var/run/nri/nri.sock", Registration: "5s", Request: "2s", Validator: &Validator{Enabled: true},
			},
		}),
		NRI: fact(NRISocket{Path: "/run/nri/nri.sock", Listening: true, Plugins: 1}),
		Kernel: Kernel{
			Release: "6.12.1", UserNamespaces: fact(true),
		},
		Resources: fact(Resources{Dir: "/var/lib/kubelet/device-plugins", Offers: []resource.Offer{{Profile: "kvm", Units: []resource.Unit{{ID: "slot-1"}}}}}),
		Cgroup:    Cgroup{Version: policy.Is(policy.CgroupV2), NSDelegate: fact(true)},
		OpenFiles: fact[uint64](1 << 20),
		Policy: Policy{
			Path: "/etc/nodegate/config.toml", Hash: "0123456789ab", Grants: 2, Handlers: []string{"nodegate"}, StateDir: "/run/nodegate",
			Socket: "/run/nri/nri.sock", Kinds: []*change.Kind{change.KindSeccomp, change.KindSysctls, change.KindCgroup, change.KindCapabilities},
			Devices: []Device{{Selector: policy.DeviceSelector{Path: "/dev/kvm"}, Profiles: []string{"kvm"}, Lookup: policy.DeviceLookup{
				Nodes: []policy.HostDevice{{Path: "/dev/kvm", Type: "c", Major: 10, Minor: 232, Mode: 0o660}},
			}, Drivers: []policy.Known[host.Driver]{policy.Is(host.Driver{Loaded: true})}}},
			AppArmor: []AppArmor{{Profile: "nested", Wanted: "nodegate-mounts", Node: policy.Is(policy.AppArmor{Enabled: true, Loaded: policy.Is(true)})}},
		},
		Shadows:  fact[error](nil),
		Confined: fact[*host.ConfinedError](nil),
		Agent:    fact(Agent{Listen: "unix:///run/nodegate/nodegate.sock", Ready: true}),
		Wrapper: Wrapper{
			Programs: map[string]Fact[Program]{
				"runc":      fact(Program{Path: runcPath}),
				wrapperPath: fact(Program{Path: wrapperPath, Wrapper: true, Version: "v1.0.0"}),
				wrapperName: fact(Program{Path: wrapperPath, Wrapper: true, Version: "v1.0.0"}),
			},
			Config: "/etc/nodegate/runc.toml", Settings: fact(WrapperSettings{Path: "runc", StateDir: "/run/nodegate"}), Own: "v1.0.0",
		},
		OCIRuntime: fact(OCIRuntime{Path: runcPath, Version: "runc version 1.5.2", Features: fact(OCIFeatures{Seccomp: true, IDMap: true})}),
	}
}

// rehandle changes the default handler or another in both views of containerd.
func (f *Facts) rehandle(name string, h Handler) {
	f.Runtime.Value.Handlers[name], f.Containerd.Value.Handlers[name] = h, h
}

func (f *Facts) unhandle() {
	delete(f.Runtime.Value.Handlers, "nodegate")
	delete(f.Containerd.Value.Handlers, "nodegate")
}

func (f *Facts) defaultTo(name string) {
	f.Runtime.Value.Default, f.Containerd.Value.Default = name, name
}

// wrapByDefault is docs/wrapper.md's "As the default runtime".
func (f *Facts) wrapByDefault() {
	f.defaultTo("nodegate")
	f.Policy.Handlers = []string{"", "nodegate"}
}

func TestHealthyNode(t *testing.T) {
	r := Examine(healthy())
	for _, f := range r.Findings {
		if f.Status != OK || f.Remedy != "" || f.Found == "" {
			t.Errorf("%+v", f)
		}
	}
	if r.Status != OK || r.Count(OK) != len(r.Findings) || len(r.Findings) < 20 {
		t.Errorf("status %s, %d findings", r.Status, len(r.Findings))
	}
}

// Each case spoils one thing, and names the finding that tells of it.
var cases = []struct {
	name   string
	spoil  func(*Facts)
	title  string // check and subject
	status Status
	found  string // in part
	remedy string // in part
}{
	{"no containerd", func(f *Facts) { f.Runtime = unknown[Runtime]("no containerd: there is no socket") },
		"runtime", Problem, "no containerd", "--runtime-endpoint"},
	{"not root", func(f *Facts) { f.Runtime = unknown[Runtime](needsRoot) },
		"runtime", Unknown, "unknown: needs root", "as root"},
	{"another runtime", func(f *Facts) {
		f.Runtime.Value.Name, f.Runtime.Value.Known, f.Runtime.Value.DeliversAll = "frakti", false, false
	},
		"runtime", Warning, "taken for the oldest", "containerd 2.3"},
	{"old NRI, and no wrapper", func(f *Facts) { f.Runtime.Value.DeliversAll = false; f.rehandle("nodegate", Handler{}) },
		"runtime", Warning, "cannot carry all", "set up the wrapper"},
	{"old NRI", func(f *Facts) { f.Runtime.Value.DeliversAll = false },
		"runtime", OK, "goes to the wrapper", ""},
	{"files changed", func(f *Facts) { f.Containerd.Value.Changed = f.Containerd.Value.Started.Add(time.Minute) },
		"configuration", Warning, "changed at 2026-01-02 03:05:05", "restart containerd"},
	{"started by what was just written", func(f *Facts) { f.Containerd.Value.Changed = f.Containerd.Value.Started.Add(time.Second) },
		"configuration", OK, "version 4", ""},
	{"a handler that is not in use yet", func(f *Facts) { f.Containerd.Value.Handlers["new"] = Handler{} },
		"configuration", Warning, "other runtime handlers", "restart containerd"},
	{"its process is not seen", func(f *Facts) { f.Containerd = unknown[Containerd]("cannot be seen") },
		"configuration", Unknown, "cannot be seen", ""},
	{"NRI off", func(f *Facts) { f.Containerd.Value.NRI.Disabled = true },
		"nri", Problem, "off", "disable = false under [plugins.'io.containerd.nri.v1.nri'] in /etc/containerd/config.toml"},
	{"no connections", func(f *Facts) { f.Containerd.Value.NRI.NoConnections = true },
		"nri", Problem, "containerd starts itself", "disable_connections = false"},
	{"NRI seen by its socket", func(f *Facts) { f.Containerd = unknown[Containerd]("cannot be seen") },
		"nri", OK, "on: its socket is there", ""},
	{"NRI not seen", func(f *Facts) { f.Containerd = unknown[Containerd]("cannot be seen"); f.NRI.Value.Listening = false },
		"nri", Unknown, "cannot be seen", ""},
	{"another socket", func(f *Facts) { f.Containerd.Value.NRI.Socket = "/run/other.sock" },
		"nri-socket", Problem, "containerd's is /run/other.sock", `socket = "/run/other.sock" under [nri] in /etc/nodegate/config.toml`},
	{"another path in a container", func(f *Facts) { f.Containerd.Value.NRI.Socket = "/run/other.sock"; f.Policy.InContainer = true },
		"nri-socket", OK, "/run/nri/nri.sock", ""},
	{"nothing listens", func(f *Facts) { f.NRI.Value.Listening = false },
		"nri-socket", Problem, "nothing listens", "restart containerd"},
	{"nothing listens as NRI is off", func(f *Facts) { f.NRI.Value.Listening = false; f.Containerd.Value.NRI.Disabled = true },
		"nri-socket", Problem, "NRI is off", "switch NRI on"},
	{"short timeouts", func(f *Facts) { f.Containerd.Value.NRI.Registration, f.Containerd.Value.NRI.Request = "1s", "100ms" },
		"nri-timeouts", Warning, "left out", `plugin_registration_timeout = "5s" and plugin_request_timeout = "2s"`},
	{"a pod that is too large", func(f *Facts) { f.Sizes.Value.Pods[0].Own = 65 << 10 },
		"pod-sizes", Problem, "cannot list these to an agent that registers: ci/web (40 KiB)", "delete these pods"},
	{"a large pod, and no agent", func(f *Facts) { f.Agent.Value.Ready = false },
		"pod-sizes", Problem, "ci/web (40 KiB)", "delete these pods"},
	{"pods that are large together, and no agent", func(f *Facts) { f.Agent.Value.Ready, f.Sizes.Value.Pods = false, pods(150, 20<<10) },
		"pod-sizes", Problem, "cannot list these to an agent that registers: ci/web (20 KiB), ", "delete these pods"},
	{"many small pods, and no agent", func(f *Facts) { f.Agent.Value.Ready, f.Sizes.Value.Pods = false, pods(1500, 4<<10) },
		"pod-sizes", Warning, "no pod is too large to be listed, but all 1500 have 6000 KiB together, most in namespace ci", "delete pods that have ended"},
	{"some larger pods, and no agent", func(f *Facts) { f.Agent.Value.Ready, f.Sizes.Value.Pods = false, pods(50, 20<<10) },
		"pod-sizes", OK, "ci/web, has 20 KiB", ""},
	{"bytes that are not text", func(f *Facts) { f.Sizes.Value = Sizes{NotText: true} },
		"pod-sizes", Problem, "is not UTF-8", "restart the runtime"},
	{"too many containers to look at", func(f *Facts) { f.Sizes.Value.All = false },
		"pod-sizes", Warning, "no time to look at all", "again"},
	{"sizes not told", func(f *Facts) { f.Sizes = unknown[Sizes]("cannot be seen") },
		"pod-sizes", Unknown, "cannot be seen", ""},
	{"no validator", func(f *Facts) { f.Containerd.Value.NRI.Validator = nil },
		"validator", Warning, "has none", "containerd 2.2"},
	{"validator off", func(f *Facts) { f.Containerd.Value.NRI.Validator.Enabled = false },
		"validator", Warning, "off", "enable = true"},
	{"validator off, wrapper by default", func(f *Facts) { f.Containerd.Value.NRI.Validator.Enabled = false; f.wrapByDefault() },
		"validator", OK, "the wrapper, as the default", ""},
	{"validator refuses sysctls", func(f *Facts) {
		f.Containerd.Value.NRI.Validator.Rejects = []string{"reject_oci_hook_adjustment", "reject_sysctl_adjustment"}
	}, "validator", Problem, "with reject_sysctl_adjustment: containers", "write reject_sysctl_adjustment = false"},
	{"validator refuses seccomp", func(f *Facts) {
		f.Containerd.Value.NRI.Validator.Rejects = []string{"reject_custom_seccomp_adjustment"}
	}, "validator", Problem, "refused", "reject_custom_seccomp_adjustment = false"},
	{"validator refuses namespaces", func(f *Facts) {
		f.Containerd.Value.NRI.Validator.Rejects = []string{"reject_namespace_adjustment"}
	}, "validator", Problem, "refused", "reject_namespace_adjustment = false"},
	{"validator refuses what is not granted", func(f *Facts) {
		f.Containerd.Value.NRI.Validator.Rejects = []string{"reject_sysctl_adjustment"}
		f.ungrant(change.KindSysctls)
	}, "validator", OK, "does not need", ""},
	{"required for all", func(f *Facts) { f.Containerd.Value.NRI.Validator.Required = []string{"nodegate"} },
		"required-plugins", Problem, "static pods, and the pod of an agent that runs as a DaemonSet", "required_plugins = []"},
	{"required for all but some", func(f *Facts) {
		f.Containerd.Value.NRI.Validator.Required, f.Containerd.Value.NRI.Validator.Tolerate = []string{"nodegate"}, "let.me"
	}, "required-plugins", Warning, `"let.me"`, "required_plugins = []"},
	{"required by annotation, and by another not", func(f *Facts) { f.Containerd.Value.NRI.Validator.Tolerate = "let.me" },
		"required-plugins", Warning, `a pod with the annotation "let.me": true starts unadjusted`, "take tolerate_missing_plugins_annotation out"},
	{"no such handler", func(f *Facts) { f.unhandle() },
		"handler nodegate", Problem, "no such handler: what NRI cannot carry (capabilities) is refused", "nodegate install"},
	{"no such handler, and none needed", func(f *Facts) { f.unhandle(); f.ungrant(change.KindCapabilities) },
		"handler nodegate", Warning, "no such handler", "handlers = []"},
	{"a handler of runc", func(f *Facts) { f.rehandle("nodegate", Handler{SystemdCgroup: true}) },
		"handler nodegate", Problem, "runs /usr/bin/runc, which is not nodegate-runc: the agent refuses", "BinaryName = '/usr/local/bin/nodegate-runc'"},
	{"a handler of nothing", func(f *Facts) {
		f.rehandle("nodegate", Handler{BinaryName: "/gone", SystemdCgroup: true})
		f.Wrapper.Programs["/gone"] = unknown[Program]("open /gone: no such file")
	}, "handler nodegate", Problem, "runs /gone: open /gone: no such file", "BinaryName"},
	{"a handler of a script", func(f *Facts) {
		f.rehandle("nodegate", Handler{BinaryName: "/script", SystemdCgroup: true})
		f.Wrapper.Programs["/script"] = fact(Program{Path: "/script", Script: true})
	}, "handler nodegate", Unknown, "a script", "BinaryName"},
	{"a handler of another driver", func(f *Facts) { f.rehandle("nodegate", Handler{BinaryName: wrapperPath}) },
		"handler nodegate", Problem, "SystemdCgroup = false, and the default handler has true", "SystemdCgroup = true"},
	{"a wrapped handler that the policy does not name", func(f *Facts) {
		f.rehandle("second", Handler{BinaryName: wrapperPath, SystemdCgroup: true})
	}, "handler second", Problem, "is not in runtime.handlers", `add "second" to handlers`},
	{"wrapped by default, and the policy does not say so", func(f *Facts) { f.defaultTo("nodegate") },
		"handler default (nodegate)", Problem, "refused", `handlers = ["", "nodegate"]`},
	{"wrapped by default, and by no RuntimeClass", func(f *Facts) { f.wrapByDefault(); f.Policy.Handlers = []string{""} },
		"handler nodegate", Warning, "of a RuntimeClass", `add "nodegate" to handlers`},
	{"wrapped by default", func(f *Facts) { f.wrapByDefault() },
		"handler default (nodegate)", OK, "runs /usr/local/bin/nodegate-runc", ""},
	{"no handlers known", func(f *Facts) { f.Runtime.Value.Handlers = nil; f.Containerd = unknown[Containerd]("cannot be seen") },
		"handler", Unknown, "cannot be seen", ""},
	{"no handlers wanted", func(f *Facts) { f.unhandle(); f.Policy.Handlers = nil },
		"handler", OK, "runtime.handlers is empty", ""},
	{"no wrapper", func(f *Facts) {
		f.unhandle()
		f.Wrapper.Programs = map[string]Fact[Program]{wrapperName: unknown[Program]("none"), "runc": fact(Program{Path: runcPath})}
	}, "wrapper", Warning, "neither", "nodegate install"},
	{"wrapper of another release", func(f *Facts) { f.Wrapper.Own = "v2.0.0" },
		"wrapper /usr/local/bin/nodegate-runc", Warning, "version v1.0.0, and nodegate has v2.0.0", "one release"},
	{"runc.toml broken", func(f *Facts) { f.Wrapper.Err = errors.New("runc.toml:2: there is no key") },
		"wrapper-config", Problem, "runc.toml:2", "mend /etc/nodegate/runc.toml"},
	{"another state directory", func(f *Facts) { f.Wrapper.Settings.Value.StateDir = "/other" },
		"wrapper-config", Problem, `state_dir = "/other", and the policy state.dir = "/run/nodegate"`, `write state_dir = "/run/nodegate"`},
	{"runc not found", func(f *Facts) { f.OCIRuntime = unknown[OCIRuntime]("no program") },
		"oci-runtime", Unknown, "no program", ""},
	{"an old runc", func(f *Facts) { f.OCIRuntime.Value.Features = unknown[OCIFeatures]("no command") },
		"oci-runtime", Unknown, "no command", "runc 1.1"},
	{"runc without seccomp", func(f *Facts) { f.OCIRuntime.Value.Features.Value.Seccomp = false },
		"oci-runtime", Problem, "without seccomp, which the policy changes", "built with seccomp"},
	{"runc without seccomp, and none wanted", func(f *Facts) {
		f.OCIRuntime.Value.Features.Value.Seccomp = false
		f.ungrant(change.KindSeccomp)
	}, "oci-runtime", Warning, "no filter", "built with seccomp"},
	{"runc without id maps", func(f *Facts) { f.OCIRuntime.Value.Features.Value.IDMap = false },
		"oci-runtime", Warning, "id-mapped", "runc 1.2"},
	{"containerd 2.2.4", func(f *Facts) { f.Runtime.Value.Version = "v2.2.4" }, "advisories containerd", Warning,
		"v2.2.4: the line 2.2 is without support since 2026-11-06; CVE-2026-53488: an image's label can run a command on the node; CVE-2026-53492", "containerd 2.3.2"},
	{"containerd 1.7.35, fixed and at its end", func(f *Facts) { f.Runtime.Value.Version = "1.7.35~ds1" }, "advisories containerd", Warning,
		"1.7.35~ds1: the line 1.7 is without support since September 2026", "distribution"},
	{"containerd 2.0.14, with support until 2027", func(f *Facts) { f.Runtime.Value.Version = "2.0.14" }, "advisories containerd", OK, "none of the list of 20", ""},
	{"containerd 2.1.9", func(f *Facts) { f.Runtime.Value.Version = "2.1.9" }, "advisories containerd", Warning,
		"2.1.9: the line 2.1 is without support since 2026-07-03", "containerd 2.3.2"},
	{"containerd 2.3.2", func(f *Facts) { f.Runtime.Value.Version = "2.3.2" }, "advisories containerd", OK, "none of the list of 20", ""},
	{"containerd of nobody", func(f *Facts) { f.Runtime.Value.Version = "main" }, "advisories containerd", Unknown, `"main"`, ""},
	{"runc 1.1", func(f *Facts) { f.OCIRuntime.Value.Version = "runc version 1.1.15+ds1" }, "advisories runc", Warning,
		"1.1.15+ds1: CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881: a container can write", "runc 1.4.4"},
	{"runc 1.3.3", func(f *Facts) { f.OCIRuntime.Value.Version = "runc version 1.3.3" }, "advisories runc", Warning,
		"1.3.3: the line 1.3 is without support since 2026-11-27", "runc 1.4.4"},
	{"a kernel on which runc crashes", func(f *Facts) {
		f.Kernel.Release, f.OCIRuntime.Value.Version = "6.18.3", "runc version 1.5.1"
	}, "advisories runc", Warning, "1.5.1: a bug of Linux 6.17 to 7.1: runc crashes", "1.5.2"},
	{"that kernel, with cgroup v1", func(f *Facts) {
		f.Kernel.Release, f.OCIRuntime.Value.Version, f.Cgroup.Version = "6.18.3", "runc version 1.5.1", policy.Is(policy.CgroupV1)
	}, "advisories runc", OK, "none of the list", ""},
	{"a later kernel", func(f *Facts) { f.Kernel.Release, f.OCIRuntime.Value.Version = "7.2.0", "runc version 1.5.1" },
		"advisories runc", OK, "none of the list", ""},
	{"that kernel, with a later runc", func(f *Facts) { f.Kernel.Release = "7.1.0" }, "advisories runc", OK, "1.5.2: none of the list", ""},
	{"Linux 5.4", func(f *Facts) { f.Kernel.Release = "5.4.0-42" }, "kernel", Problem, "openat2", "Linux 5.6"},
	{"Linux 5.10", func(f *Facts) { f.Kernel.Release = "5.10.0" }, "kernel", Warning, "overlayfs", "Linux 6.3"},
	{"a nameless kernel", func(f *Facts) { f.Kernel.Release = "" }, "kernel", Unknown, "release", ""},
	{"no nsdelegate", func(f *Facts) { f.Cgroup.NSDelegate = fact(false) }, "cgroup", Warning, "v2 without nsdelegate", "remount,nsdelegate"},
	{"cgroup v1", func(f *Facts) { f.Cgroup.Version = policy.Is(policy.CgroupV1) }, "cgroup", Warning, "systemd's named hierarchy", "unified"},
	{"cgroup v1, none writable", func(f *Facts) {
		f.Cgroup.Version = policy.Is(policy.CgroupV1)
		f.ungrant(change.KindCgroup)
	}, "cgroup", OK, "v1", ""},
	{"no cgroups", func(f *Facts) { f.Cgroup = Cgroup{} }, "cgroup", Unknown, "neither way", ""},
	{"no user namespaces", func(f *Facts) { f.Kernel.UserNamespaces = fact(false) }, "user-namespaces", Problem, "makes none", "max_user_namespaces"},
	{"user namespaces, not root", func(f *Facts) { f.Kernel.UserNamespaces = unknown[bool](needsRoot) }, "user-namespaces", Unknown, needsRoot, "as root"},
	{"containerd 1.7", func(f *Facts) { f.Runtime.Value.UserNamespaces = nil }, "user-namespaces", Warning, "hostUsers", "containerd 2.0"},
	{"shadow_dir on nodev", func(f *Facts) {
		f.Shadows = fact[error](&host.ShadowDirError{Dir: "/x", Problem: "no devices there", Remedy: "name another"})
	}, "mknod shadow_dir", Problem, "/x: no devices there", "name another"},
	{"shadow_dir, not root", func(f *Facts) { f.Shadows = unknown[error](needsRoot) }, "mknod shadow_dir", Unknown, needsRoot, "as root"},
	{"a node in a container", func(f *Facts) { f.Confined = fact(confined(policy.Is(false))) },
		"confinement", Problem, "of the node denies", "nodegate render systemd"},
	{"an agent in a container", func(f *Facts) { f.Confined = fact(confined(policy.Is(true))) }, "confinement", OK, "binds no other", ""},
	{"one of the two", func(f *Facts) { f.Confined = fact(confined(policy.Known[bool]{})) }, "confinement", Warning, "denies", "render systemd"},
	{"confinement, not root", func(f *Facts) { f.Confined = unknown[*host.ConfinedError](needsRoot) }, "confinement", Unknown, needsRoot, "as root"},
	{"a broken policy", func(f *Facts) { f.Policy = Policy{Path: "p", Err: errors.New("p:1: no")} }, "policy", Problem, "p:1: no", "mend it"},
	{"audit", func(f *Facts) { f.Policy.Audit = true }, "policy", Warning, "audit", `mode = "enforce"`},
	{"a policy with warnings", func(f *Facts) { f.Policy.Warnings = 3 }, "policy", Warning, "warnings: 3", "nodegate check --config /etc/nodegate/config.toml"},
	{"no grants", func(f *Facts) { f.Policy.Grants = 0 }, "policy", Warning, "no pod gets anything", "[[grants]]"},
	{"an absent device", func(f *Facts) { f.Policy.Devices[0].Lookup = policy.DeviceLookup{} },
		"device /dev/kvm", Problem, "absent: containers that get kvm are refused", "optional = true"},
	{"an absent device that is optional", func(f *Facts) {
		f.Policy.Devices[0].Lookup, f.Policy.Devices[0].Optional = policy.DeviceLookup{}, true
	}, "device /dev/kvm", OK, "absent, and optional", ""},
	{"an absent device of an exclusive resource", func(f *Facts) {
		f.Policy.Devices[0].Lookup.Nodes, f.Policy.Devices[0].Units = nil, true
	}, "device /dev/kvm", OK, "absent: pods that ask for kvm go elsewhere", ""},
	{"a device whose driver is loaded when it is opened", func(f *Facts) { f.Policy.Devices[0].Drivers[0] = policy.Is(host.Driver{Module: "kvm"}) },
		"device /dev/kvm", OK, "opening it loads the module kvm", ""},
	{"a device without a driver", func(f *Facts) { f.Policy.Devices[0].Drivers[0] = policy.Is(host.Driver{}) },
		"device /dev/kvm", Problem, "without a driver: opening it answers ENODEV or ENXIO", "load its kernel module"},
	{"a device of which nobody knows", func(f *Facts) { f.Policy.Devices[0].Drivers[0] = policy.Known[host.Driver]{} },
		"device /dev/kvm", OK, "driver unknown", ""},
	{"a file for a device", func(f *Facts) { f.Policy.Devices[0].Lookup = policy.DeviceLookup{Err: errors.New("a regular file")} },
		"device /dev/kvm", Problem, "a regular file", "narrow"},
	{"an AppArmor profile that is not loaded", func(f *Facts) { f.Policy.AppArmor[0].Node.Value.Loaded.Value = false },
		"apparmor nested", Problem, `not loaded "nodegate-mounts": containers that get nested are refused`, "nodegate install"},
	{"another that is not loaded", func(f *Facts) {
		f.Policy.AppArmor[0].Wanted, f.Policy.AppArmor[0].Node.Value.Loaded.Value = "web", false
	}, "apparmor nested", Problem, `not loaded "web"`, "apparmor_parser -r"},
	{"mounts, and the runtime's AppArmor profile", func(f *Facts) { f.Policy.AppArmor[0].Wanted = "" },
		"apparmor nested", Warning, "the runtime's own profile denies the mounts that nested gives", `apparmor = "nodegate-mounts"`},
	{"mounts without AppArmor", func(f *Facts) { f.Policy.AppArmor[0] = AppArmor{Profile: "nested", Node: policy.Is(policy.AppArmor{})} },
		"apparmor nested", OK, "no AppArmor", ""},
	{"unconfined", func(f *Facts) {
		f.Policy.AppArmor[0].Wanted, f.Policy.AppArmor[0].Node.Value.Loaded.Value = "unconfined", false
	}, "apparmor nested", OK, "unconfined", ""},
	{"loaded or not", func(f *Facts) { f.Policy.AppArmor[0].Node.Value.Loaded.OK = false },
		"apparmor nested", Unknown, `whether this node has loaded "nodegate-mounts"`, ""},
	{"AppArmor or not", func(f *Facts) { f.Policy.AppArmor[0].Node.OK = false },
		"apparmor nested", Unknown, "whether this node has AppArmor", ""},
	{"a resource that the node cannot give", func(f *Facts) { f.Resources.Value.Offers[0].Lacks = "no device /dev/kvm" },
		"resource nodegate.dev/kvm", Problem, "not offered: no device /dev/kvm", "mend that"},
	{"a resource that needs a handler of which nothing is known", func(f *Facts) { f.Resources.Value.Offers[0].Unsure = "whether it runs nodegate-runc is not known" },
		"resource nodegate.dev/kvm", Unknown, "units: 1, but whether it runs nodegate-runc is not known", "as root"},
	{"a resource without devices", func(f *Facts) { f.Resources.Value.Offers[0].Units = nil },
		"resource nodegate.dev/kvm", Warning, "none of its devices", "plug one in"},
	{"a device of two resources", func(f *Facts) {
		unit := []resource.Unit{{ID: "ttyUSB0"}}
		f.Resources.Value.Offers = []resource.Offer{{Profile: "modem", Units: unit, Exclusive: true}, {Profile: "serial", Units: unit, Exclusive: true}}
	}, "resource nodegate.dev/serial", Warning, `its unit "ttyUSB0" is one of nodegate.dev/modem too`, "narrow"},
	{"no kubelet", func(f *Facts) { f.Resources.Value.Absent = unix.ENOENT },
		"resource nodegate.dev/kvm", Problem, "no kubelet listens in /var/lib/kubelet/device-plugins: no such file", "kubelet.plugin_dir"},
	{"the kubelet is not to be told", func(f *Facts) { f.Resources.Value.Dir = "" },
		"resource nodegate.dev/kvm", Problem, `kubelet.plugin_dir is ""`, "deviceResources.enabled"},
	{"resources, not root", func(f *Facts) { f.Resources = unknown[Resources](needsRoot) }, "resource", Unknown, needsRoot, "as root"},
	{"engines below containerd's own unit", func(f *Facts) { f.grant(change.KindProc); f.OpenFiles.Value = 524288 },
		"open-files", Warning, "at most 524288, and podman wants 1048576", `nofile = "1048576"`},
	{"engines below a higher limit", func(f *Facts) { f.grant(change.KindProc) }, "open-files", OK, "at most 1048576", ""},
	{"engines, and the runtime's limit is not seen", func(f *Facts) { f.grant(change.KindProc); f.OpenFiles = unknown[uint64](needsRoot) },
		"open-files", Unknown, needsRoot, "as root"},
	{"no agent", func(f *Facts) { f.Agent.Value.Err, f.Agent.Value.Ready = unix.ECONNREFUSED, false },
		"agent", Problem, "connection refused: containers are created without", "systemctl start nodegate"},
	{"an agent that is not ready", func(f *Facts) { f.Agent.Value = Agent{Says: "not registered"} }, "agent", Problem, "not registered", "journalctl"},
	{"an agent that remarks on something", func(f *Facts) { f.Agent.Value.Says = "2 containers lack something" },
		"agent", Warning, "ready, and says: 2 containers", "journalctl"},
	{"agent, not root", func(f *Facts) { f.Agent = unknown[Agent](needsRoot) }, "agent", Unknown, needsRoot, "as root"},
}

func confined(alone policy.Known[bool]) *host.ConfinedError {
	major, minor := int64(10), int64(232)
	return &host.ConfinedError{AgentAlone: alone, Denied: []host.Denied{{
		Path: "/dev/kvm", Call: "mknod of c 10:232", Rule: specs.LinuxDeviceCgroup{Type: "c", Major: &major, Minor: &minor, Access: "rwm"},
	}}}
}

func TestChecks(t *testing.T) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			f := healthy()
			tc.spoil(f)
			r := Examine(f)
			seen := false
			for _, one := range r.Findings {
				if one.Status != OK && one.Status != Unknown && one.Remedy == "" {
					t.Errorf("no remedy: %+v", one)
				}
				if one.Status == OK && one.Remedy != "" {
					t.Errorf("a remedy for what is well: %+v", one)
				}
				if one.title() != tc.title {
					continue
				}
				seen = true
				if one.Status != tc.status || !strings.Contains(one.Found, tc.found) || !strings.Contains(one.Remedy, tc.remedy) {
					t.Errorf("%+v, want %s: %s: %s", one, tc.status, tc.found, tc.remedy)
				}
			}
			if !seen {
				t.Errorf("no finding %q: %+v", tc.title, r.Findings)
			}
		})
	}
}

// Whatever is not known, nothing is called well that rests on it, and nothing
// panics.
func TestNothingKnown(t *testing.T) {
	f := &Facts{
		Runtime: unknown[Runtime](needsRoot), Containerd: unknown[Containerd](needsRoot), NRI: unknown[NRISocket](needsRoot),
		Resources: unknown[Resources](needsRoot),
		Shadows:   unknown[error](needsRoot), Confined: unknown[*host.ConfinedError](needsRoot), Agent: unknown[Agent](needsRoot),
		OCIRuntime: unknown[OCIRuntime](needsRoot), Policy: Policy{Err: os.ErrPermission, Handlers: []string{"nodegate"}},
		Kernel:    Kernel{UserNamespaces: unknown[bool](needsRoot)},
		OpenFiles: unknown[uint64](needsRoot),
		Cgroup:    Cgroup{NSDelegate: unknown[bool](needsRoot)},
		Wrapper:   Wrapper{Programs: map[string]Fact[Program]{wrapperName: unknown[Program](needsRoot)}, Settings: unknown[WrapperSettings](needsRoot)},
	}
	for _, one := range Examine(f).Findings {
		if one.Status == OK {
			t.Errorf("%+v", one)
		}
	}
}

// A release has a fault until the first fixed one of its line; lines without one have it
// until the last.
func TestAdvisoryConcerns(t *testing.T) {
	a := advisory{since: release{1, 7, 0}, fixed: []release{{1, 7, 33}, {2, 2, 5}, {2, 3, 0}}}
	for version, want := range map[string]bool{
		"1.6.40": false, "1.7.0": true, "1.7.32": true, "v1.7.33": false, "2.0.10": true, "2.2.4-k3s1": true, "2.2.5": false, "2.2.10": false,
		"2.3.0": false, "2.3": false, "3.0.0": false,
	} {
		if v, ok := parseRelease(version); !ok || a.concerns(v) != want {
			t.Errorf("%s: %v, want %v", version, !want, want)
		}
	}
	for i := range advisories {
		a := &advisories[i]
		for j := 1; j < len(a.fixed); j++ {
			if !before([2]int{a.fixed[j-1][0], a.fixed[j-1][1]}, [2]int{a.fixed[j][0], a.fixed[j][1]}) {
				t.Errorf("%s: the fixed releases are not in order", a.id)
			}
		}
	}
	for of, use := range unaffected {
		for _, word := range strings.FieldsFunc(use, func(r rune) bool { return r == ' ' || r == ',' }) {
			v, ok := parseRelease(word)
			for i := range advisories {
				if a := &advisories[i]; ok && a.of == of && a.concerns(v) {
					t.Errorf("%s is to be used, and %s concerns it", word, a.id)
				}
			}
		}
	}
}

// The limit of open files is about engines alone, and nothing for those who set limits.
func TestOpenFiles(t *testing.T) {
	none, raised := healthy(), healthy()
	raised.grant(change.KindProc)
	raised.grant(change.KindRlimits)
	for name, f := range map[string]*Facts{"no engines": none, "raised": raised} {
		f.OpenFiles.Value = 1024
		if found := checkOpenFiles(f); found != nil {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if limit := (&gatherer{pid: os.Getpid()}).openFiles(); !limit.OK() || limit.Value == 0 {
		t.Errorf("of this process: %+v", limit)
	}
	if limit := (&gatherer{}).openFiles(); limit.OK() {
		t.Errorf("of no process: %+v", limit)
	}
}

// Each check is seen worse than ok by the cases above.
func TestEveryCheckFails(t *testing.T) {
	worse := map[string]bool{}
	for _, tc := range cases {
		if tc.status != OK {
			worse[regexp.MustCompile(`^\S+`).FindString(tc.title)] = true
		}
	}
	for _, f := range Examine(healthy()).Findings {
		if !worse[f.Check] {
			t.Errorf("%s: no case sees it fail", f.Check)
		}
	}
}

func (f *Facts) grant(k *change.Kind) { f.Policy.Kinds = append(f.Policy.Kinds, k) }

func (f *Facts) ungrant(k *change.Kind) {
	f.Policy.Kinds = slices.DeleteFunc(f.Policy.Kinds, func(have *change.Kind) bool { return have == k })
}

// pods are so many of one size each, without containers.
func pods(count, bytes int) []cri.PodSize {
	return slices.Repeat([]cri.PodSize{{Name: "ci/web", Own: bytes, Whole: bytes}}, count)
}
