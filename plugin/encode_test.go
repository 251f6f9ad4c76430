// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/runtime-tools/generate"

	"github.com/nodegate/nodegate/plugin/policy"
)

func ptr[T any](v T) *T { return &v }

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
			e := encoder{level: level{12, 3}, seccomp: policy.Is[*rspec.LinuxSeccomp](nil)}
			reply, _, uncarried, err := e.encode(&policy.Adjustment{Devices: []policy.Device{device(kind, want)}})
			if err != nil || len(uncarried) > 0 {
				t.Fatal(err, uncarried)
			}
			spec := generated(t, reply)
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
		Devices:      []policy.Device{device("c", "rw")},
		DeviceRules:  []rspec.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &mib, Access: "rw"}},
		CDIDevices:   []string{"vendor.com/modem=all"},
		AdoptDevices: []string{"/dev/modem"},
		Mounts:       []rspec.Mount{{Destination: "/run", Type: "tmpfs", Source: "tmpfs"}},
		Capabilities: policy.Capabilities{Add: []string{"CAP_MKNOD"}, Drop: []string{"CAP_NET_RAW"}},
		Seccomp:      []policy.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM"}},
		Sysctls:      map[string]string{"net.ipv4.ping_group_range": "0 65535"},
		Env:          map[string]string{"container": "oci"},
		Namespaces:   []rspec.LinuxNamespaceType{rspec.CgroupNamespace},
		ProcUnmasked: true,
	}
	always := []string{"the ownership of /dev/modem", "the capabilities CAP_MKNOD", "the drop of CAP_NET_RAW"}
	last := []string{"an unmasked /proc"}
	namespace := []string{"a cgroup namespace of its own"}
	sysctl := []string{"the sysctl net.ipv4.ping_group_range"}
	for _, tc := range []struct {
		level level
		want  [][]string
	}{
		{level{2, 0}, [][]string{{"device-cgroup rules", "the CDI devices vendor.com/modem=all"}, always, {"seccomp rules"}, sysctl, namespace, last}},
		{level{8, 0}, [][]string{{"device-cgroup rules"}, always, {"seccomp rules"}, sysctl, namespace, last}},
		{level{10, 0}, [][]string{always, {"seccomp rules"}, sysctl, last}},
		{level{11, 0}, [][]string{always, {"seccomp rules"}, sysctl, last}}, // carried, it would end containerd
		{level{12, 3}, [][]string{always, last}},
	} {
		e := encoder{level: tc.level, cdi: tc.level != lowestLevel}
		if tc.level.atLeast(levelSeesPolicy) {
			e.seccomp = policy.Is[*rspec.LinuxSeccomp](nil)
		}
		reply, _, got, err := e.encode(&whole)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, w := range tc.want {
			want = append(want, w...)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("level %v:\n got %q\nwant %q", tc.level, got, want)
		}
		if len(reply.GetMounts()) != 1 || len(reply.GetEnv()) != 1 || len(reply.GetLinux().GetDevices()) != 1 {
			t.Errorf("level %v: mounts, env and devices are for every level: %v", tc.level, reply)
		}
	}
}

// An old NRI adds read and write access with every node. Less than that is
// not to be had there, and more is not given.
func TestOldRuntimeCannotNarrowAccess(t *testing.T) {
	e := encoder{level: level{8, 0}}
	reply, left, uncarried, err := e.encode(&policy.Adjustment{Devices: []policy.Device{device("c", "r")}})
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.GetLinux().GetDevices()) != 0 || len(left.Devices) != 1 {
		t.Errorf("the device was sent: %v", reply)
	}
	if want := `the access "r" of device /dev/x`; len(uncarried) != 1 || uncarried[0] != want {
		t.Errorf("uncarried %q, want %q", uncarried, want)
	}
}

// NRI's reply has no place for a profile's default errno; a container must not
// see EPERM where its profile says ENOSYS.
func TestDefaultErrnoIsNotLost(t *testing.T) {
	rules := []policy.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM"}}
	own := &rspec.LinuxSeccomp{DefaultAction: rspec.ActErrno, DefaultErrnoRet: ptr(uint(38)),
		Syscalls: []rspec.LinuxSyscall{{Names: []string{"mknod", "read"}, Action: rspec.ActAllow}}}
	e := encoder{level: level{12, 3}, seccomp: policy.Is(own)}
	reply, _, uncarried, err := e.encode(&policy.Adjustment{Seccomp: rules})
	if err != nil {
		t.Fatal(err)
	}
	if reply.GetLinux().GetSeccompPolicy() != nil || !strings.Contains(strings.Join(uncarried, " "), "seccomp") {
		t.Errorf("sent %v, uncarried %q", reply, uncarried)
	}
	own.DefaultErrnoRet = ptr(uint(1)) // what an absent one means anyhow
	if reply, _, uncarried, _ = e.encode(&policy.Adjustment{Seccomp: rules}); len(uncarried) > 0 {
		t.Errorf("uncarried %q", uncarried)
	}
	if got := generated(t, reply).Linux.Seccomp; got == nil || got.DefaultAction != rspec.ActErrno {
		t.Errorf("seccomp %+v", got)
	}
}
