// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/runtime-tools/generate"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

func ptr[T any](v T) *T { return &v }

// newest is the newest runtime of the table.
func newest(t *testing.T) runtimes.Runtime {
	t.Helper()
	r, err := runtimes.Parse(runtimes.Newest)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each kind of change that some NRI delivers has an encoder, and only such a kind.
func TestEncoders(t *testing.T) {
	for _, k := range change.Kinds() {
		if _, ok := encoders[k]; ok != (k.NRI() != 0 && !k.Agent) && k != change.KindShadowNodes {
			t.Errorf("%s (%s) has an encoder: %t", k.Key, k.Field, ok)
		}
	}
}

func device(kind, access string) policy.Device {
	return policy.Device{Access: access, LinuxDevice: rspec.LinuxDevice{
		Path: "/dev/x", Type: kind, Major: 10, Minor: 229,
		FileMode: ptr(fs.FileMode(0o660)), UID: ptr(uint32(0)), GID: ptr(uint32(0)),
	}}
}

// generated is the spec that a runtime makes of NRI's reply with NRI's own
// generator.
func generated(t *testing.T, reply *api.ContainerAdjustment) *rspec.Spec {
	t.Helper()
	spec := &rspec.Spec{}
	if err := generate.SpecGenerator(newSpecGen(spec)).Adjust(reply); err != nil {
		t.Fatal(err)
	}
	return spec
}

// access adds up the rules that name 10:229, as the kernel would.
func access(kind string, rules []rspec.LinuxDeviceCgroup) string {
	has := map[rune]bool{}
	for _, r := range rules {
		if r.Type != kind || r.Major == nil || *r.Major != 10 || r.Minor == nil || *r.Minor != 229 {
			continue
		}
		for _, letter := range r.Access {
			has[letter] = r.Allow
		}
	}
	out := ""
	for _, letter := range "rwm" {
		if has[letter] {
			out += string(letter)
		}
	}
	return out
}

// NRI widens the access of a device that it adds; what arrives must be exactly
// what was granted.
func TestDeviceAccessIsExact(t *testing.T) {
	for _, kind := range []string{"c", "b"} {
		for _, want := range []string{"r", "w", "rw", "m", "rm", "wm", "rwm"} {
			e := newEncoder(newest(t), policy.Is[*rspec.LinuxSeccomp](nil))
			if err := e.encode(&policy.Adjustment{Devices: []policy.Device{device(kind, want)}}); err != nil || !e.remainder.Empty() {
				t.Fatal(err, e.names())
			}
			spec := generated(t, e.reply)
			if got := access(kind, spec.Linux.Resources.Devices); got != want {
				t.Errorf("%s %q: the spec gives %q: %+v", kind, want, got, spec.Linux.Resources.Devices)
			}
			if len(spec.Linux.Devices) != 1 || *spec.Linux.Devices[0].FileMode != 0o660 {
				t.Errorf("%s %q: devices %+v", kind, want, spec.Linux.Devices)
			}
		}
	}
}

func TestWhatAnOldRuntimeCannotCarryIsNamed(t *testing.T) {
	mib := int64(188)
	whole := policy.Adjustment{
		Devices:         []policy.Device{device("c", "rw")},
		DeviceRules:     []rspec.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &mib, Access: "rw"}},
		CDIDevices:      []string{"vendor.com/modem=all"},
		AdoptDevices:    []string{"/dev/modem"},
		Mounts:          []rspec.Mount{{Destination: "/run", Type: "tmpfs", Source: "tmpfs"}},
		Capabilities:    policy.Capabilities{Add: []string{"CAP_MKNOD"}, Drop: []string{"CAP_NET_RAW"}},
		Seccomp:         []policy.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM"}},
		Sysctls:         map[string]string{"net.ipv4.ping_group_range": "0 65535"},
		Env:             map[string]string{"container": "oci"},
		Namespaces:      []rspec.LinuxNamespaceType{rspec.CgroupNamespace},
		ProcUnmasked:    true,
		AppArmor:        "unconfined",
		LiveDirectories: []policy.LiveDirectory{{Path: "/s/c1/live-0", ContainerPath: "/dev/serial/by-id"}},
	}
	always := []string{"the ownership of /dev/modem", "the capabilities CAP_MKNOD", "the drop of CAP_NET_RAW"}
	last := []string{"an unmasked /proc", "the AppArmor profile unconfined", "the live directory /dev/serial/by-id"}
	namespace := []string{"a cgroup namespace of its own"}
	sysctl := []string{"the sysctl net.ipv4.ping_group_range"}
	for runtime, want := range map[string][][]string{
		"frakti/2.4.2":      {{"device-cgroup rules", "the CDI devices vendor.com/modem=all"}, always, {"seccomp rules"}, sysctl, namespace, last},
		"containerd/1.7.35": {{"device-cgroup rules"}, always, {"seccomp rules"}, sysctl, namespace, last},
		"containerd/2.2.0":  {always, {"seccomp rules"}, sysctl, last},
		"containerd/2.2.9":  {always, {"seccomp rules"}, sysctl, last}, // delivered, it would end containerd
		"containerd/2.4.2":  {always, last},
		"cri-o/1.36.3":      {always, {"seccomp rules"}, sysctl, last}, // the same
		"cri-o/1.37.0":      {always, {"seccomp rules"}, last},         // delivered, they would replace a profile that is not told
	} {
		r, err := runtimes.Parse(runtime)
		if err != nil {
			t.Fatal(err)
		}
		e := newEncoder(r, policy.Known[*rspec.LinuxSeccomp]{OK: r.Has(change.TellsSeccomp)})
		if err := e.encode(&whole); err != nil {
			t.Fatal(err)
		}
		if got, want := e.names(), slices.Concat(want...); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", runtime, got, want)
		}
		if len(e.reply.GetMounts()) != 1 || len(e.reply.GetEnv()) != 1 || len(e.reply.GetLinux().GetDevices()) != 1 {
			t.Errorf("%s: mounts, env and devices are for every runtime: %v", runtime, e.reply)
		}
	}
}

// An old NRI adds read and write access with every node. Less than that is
// not to be had there, and more is not given.
func TestOldRuntimeCannotNarrowAccess(t *testing.T) {
	e := newEncoder(runtimes.Of(runtimes.Containerd, "2.1.0", ""), policy.Known[*rspec.LinuxSeccomp]{})
	if err := e.encode(&policy.Adjustment{Devices: []policy.Device{device("c", "r")}}); err != nil {
		t.Fatal(err)
	}
	if len(e.reply.GetLinux().GetDevices()) != 0 || len(e.remainder.Devices) != 1 {
		t.Errorf("the device was sent: %v", e.reply)
	}
	if got, want := e.names(), `the access "r" of device /dev/x`; len(got) != 1 || got[0] != want {
		t.Errorf("remainder %q, want %q", got, want)
	}
}

// NRI's reply has no place for a profile's default errno; a container must not
// see EPERM where its profile says ENOSYS.
func TestDefaultErrnoIsNotLost(t *testing.T) {
	rules := []policy.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM"}}
	own := &rspec.LinuxSeccomp{DefaultAction: rspec.ActErrno, DefaultErrnoRet: ptr(uint(38)),
		Syscalls: []rspec.LinuxSyscall{{Names: []string{"mknod", "read"}, Action: rspec.ActAllow}}}
	e := newEncoder(newest(t), policy.Is(own))
	if err := e.encode(&policy.Adjustment{Seccomp: rules}); err != nil {
		t.Fatal(err)
	}
	if e.reply.GetLinux().GetSeccompPolicy() != nil || !strings.Contains(strings.Join(e.names(), " "), "seccomp rules under a profile of its own whose defaultErrnoRet is 38") {
		t.Errorf("sent %v, remainder %q", e.reply, e.names())
	}
	own.DefaultErrnoRet = ptr(uint(1)) // what an absent one means anyhow
	e = newEncoder(newest(t), policy.Is(own))
	if err := e.encode(&policy.Adjustment{Seccomp: rules}); err != nil || !e.remainder.Empty() {
		t.Errorf("%v, remainder %q", err, e.names())
	}
	if got := generated(t, e.reply).Linux.Seccomp; got == nil || got.DefaultAction != rspec.ActErrno {
		t.Errorf("seccomp %+v", got)
	}
}

// names is the whole of the remainder.
func (e *encoder) names() []string {
	return e.namesIf(func(*change.Kind) bool { return true })
}
