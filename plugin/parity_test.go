// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/nri/pkg/runtime-tools/generate"
	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/oci"
	"github.com/nodegate/nodegate/plugin/policy"
	ours "github.com/nodegate/nodegate/plugin/seccomp"
)

// TestParity carries one adjustment by NRI, with NRI's own generator, and by
// the wrapper: the OCI runtime must get the same spec.
func TestParity(t *testing.T) {
	numbers := func(major, minor int64) (*int64, *int64) { return &major, &minor }
	major, minor := numbers(10, 229)
	modem, _ := numbers(188, 0)
	eperm := func(args ...rspec.LinuxSeccompArg) policy.SeccompRule {
		return policy.SeccompRule{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM", Args: args}
	}
	block := rspec.LinuxSeccompArg{Index: 1, Value: 0o170000, ValueTwo: 0o060000, Op: rspec.OpMaskedEqual}
	for name, a := range map[string]policy.Adjustment{
		"device, read only":  {Devices: []policy.Device{device("c", "r")}},
		"device, read write": {Devices: []policy.Device{device("c", "rw")}},
		"block device":       {Devices: []policy.Device{device("b", "rw")}},
		"device, with mknod": {Devices: []policy.Device{device("c", "rwm")}},
		"a device that is there already": {Devices: []policy.Device{{Access: "rw", LinuxDevice: rspec.LinuxDevice{
			Path: "/dev/there", Type: "c", Major: 1, Minor: 3, FileMode: ptr(fs.FileMode(0o600)), UID: ptr(uint32(7)), GID: ptr(uint32(7))}}}},
		"rules": {DeviceRules: []rspec.LinuxDeviceCgroup{
			{Allow: true, Type: "c", Major: modem, Access: "rw"}, {Allow: true, Type: "c", Major: major, Minor: minor, Access: "r"}}},
		"mounts": {Mounts: []rspec.Mount{
			{Destination: "/dev/fuse", Type: "bind", Source: "/dev/.udev/nodegate/x/0", Options: []string{"bind", "rw"}},
			{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid"}}}},
		"a namespace":                          {Namespaces: []rspec.LinuxNamespaceType{rspec.CgroupNamespace}},
		"one of its own in place of another's": {Namespaces: []rspec.LinuxNamespaceType{rspec.UTSNamespace}},
		"a mount in the place of another":      {Mounts: []rspec.Mount{{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"}}},
		"limits":                               {Rlimits: []rspec.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2}, {Type: "RLIMIT_MEMLOCK", Soft: 1<<64 - 1, Hard: 1<<64 - 1}}},
		"a bind that makes way":                {Unmounts: []string{"/tmp"}},
		"environment":                          {Env: map[string]string{"container": "oci", "PATH": "/bin"}},
		"sysctls":                              {Sysctls: map[string]string{"net.ipv4.ping_group_range": "0 65535", "net.core.somaxconn": "1024"}},
		"seccomp, no arguments":                {Seccomp: []policy.SeccompRule{eperm()}},
		"seccomp, arguments":                   {Seccomp: []policy.SeccompRule{eperm(block)}},
		"seccomp, allow":                       {Seccomp: []policy.SeccompRule{{Syscalls: []string{"keyctl", "read"}}}},
		"all at once": {
			Devices: []policy.Device{device("c", "r")}, DeviceRules: []rspec.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: modem, Access: "rw"}},
			Env: map[string]string{"container": "oci"}, Sysctls: map[string]string{"net.core.somaxconn": "1024"},
			Seccomp: []policy.SeccompRule{eperm(block), {Syscalls: []string{"keyctl"}}},
			Mounts:  []rspec.Mount{{Destination: "/run/lock", Type: "tmpfs", Source: "tmpfs"}},
		},
	} {
		for profile, own := range map[string]*rspec.LinuxSeccomp{"default": seccomp.DefaultProfile(paritySpec(nil)), "unconfined": nil} {
			t.Run(name+"/"+profile, func(t *testing.T) {
				byNRI, byWrapper := throughNRI(t, paritySpec(own), &a), throughWrapper(t, paritySpec(own), &a)
				if got, want := indent(t, byWrapper), indent(t, byNRI); got != want {
					t.Errorf("the wrapper's spec differs from NRI's:\n%s", firstDifference(got, want))
				}
				if reflect.DeepEqual(byNRI, normal(paritySpec(own))) && (name != "seccomp, allow" || own != nil) {
					t.Error("neither changed anything")
				}
			})
		}
	}
}

func paritySpec(own *rspec.LinuxSeccomp) *rspec.Spec {
	major, minor := int64(1), int64(3)
	return &rspec.Spec{
		Version: "1.3.0",
		Process: &rspec.Process{Env: []string{"PATH=/usr/bin:/bin", "A=b=c", "HOME=/"}, Cwd: "/", Args: []string{"/app"},
			Capabilities: &rspec.LinuxCapabilities{Bounding: []string{"CAP_CHOWN", "CAP_MKNOD"}}},
		Mounts: []rspec.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"}, {Destination: "/dev", Type: "tmpfs", Source: "tmpfs"},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs"}, {Destination: "/tmp", Type: "bind", Source: "/var/tmp"},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts"},
		},
		Linux: &rspec.Linux{
			Devices: []rspec.LinuxDevice{{Path: "/dev/there", Type: "c", Major: 1, Minor: 3}},
			Resources: &rspec.LinuxResources{Devices: []rspec.LinuxDeviceCgroup{
				{Access: "rwm"}, {Allow: true, Type: "c", Major: &major, Minor: &minor, Access: "rwm"}}},
			Seccomp:    own,
			Namespaces: []rspec.LinuxNamespace{{Type: rspec.UTSNamespace, Path: "/proc/1/ns/uts"}, {Type: rspec.MountNamespace}},
			Sysctl:     map[string]string{"net.core.somaxconn": "128"},
		},
	}
}

func throughNRI(t *testing.T, spec *rspec.Spec, a *policy.Adjustment) *rspec.Spec {
	t.Helper()
	e := newEncoder(newest(t), policy.Is(spec.Linux.Seccomp))
	e.archs = ours.Architectures("amd64")
	if err := e.encode(a); err != nil || !e.remainder.Empty() {
		t.Fatal(e.names(), err)
	}
	if err := generate.SpecGenerator(newSpecGen(spec)).Adjust(e.reply); err != nil {
		t.Fatal(err)
	}
	return normal(spec)
}

func throughWrapper(t *testing.T, spec *rspec.Spec, a *policy.Adjustment) *rspec.Spec {
	t.Helper()
	text, err := json.Marshal(spec)
	if err == nil {
		text, err = oci.Apply(text, a)
	}
	var out rspec.Spec
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return normal(&out)
}

// normal puts into one order what has no meaning in its order. NRI sorts all
// mounts by depth; the wrapper only puts its own below what they lie in.
func normal(spec *rspec.Spec) *rspec.Spec {
	slices.SortStableFunc(spec.Mounts, func(a, b rspec.Mount) int { return strings.Compare(a.Destination, b.Destination) })
	slices.SortStableFunc(spec.Linux.Devices, func(a, b rspec.LinuxDevice) int { return strings.Compare(a.Path, b.Path) })
	if s := spec.Linux.Seccomp; s != nil {
		for i := range s.Syscalls {
			if len(s.Syscalls[i].Args) == 0 {
				s.Syscalls[i].Args = nil
			}
		}
		if len(s.Flags) == 0 {
			s.Flags = nil
		}
	}
	return spec
}

func indent(t *testing.T, spec *rspec.Spec) string {
	t.Helper()
	text, err := json.MarshalIndent(spec, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return strings.Join(g[max(0, i-5):min(len(g), i+5)], "\n") + "\n--- NRI:\n" + strings.Join(w[max(0, i-5):min(len(w), i+5)], "\n")
		}
	}
	return "one is longer"
}
