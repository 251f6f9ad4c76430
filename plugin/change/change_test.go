// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// An adjustment with all that there is.
func everything() Adjustment {
	major, mode, uid, gid := int64(188), fs.FileMode(0o660), uint32(0), uint32(7)
	return Adjustment{
		Devices: []Device{{Access: "rw", Process: Process{UID: true}, LinuxDevice: specs.LinuxDevice{
			Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: &mode, UID: &uid, GID: &gid}}},
		DeviceRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &major, Access: "rw"}},
		ShadowNodes: []ShadowNode{{Path: "/dev/.udev/nodegate/x/0", Type: "c", Major: 10, Minor: 232, Mode: 0o666,
			UID: 65536, GID: 65536, ContainerPath: "/dev/kvm", Replaces: true}},
		CDIDevices:   []string{"vendor.com/gpu=0"},
		AdoptDevices: []string{"/dev/ttyACM0"},
		Mounts: []specs.Mount{
			{Destination: "/dev/kvm", Type: "bind", Source: "/dev/.udev/nodegate/x/0", Options: []string{"bind"}},
			{Destination: "/dev/serial/by-id", Type: "bind", Source: "/dev/.udev/nodegate/x/live-0", Options: []string{"bind", "ro"}},
			{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev"}}},
		Unmounts:     []string{"/dev/fuse"},
		Capabilities: Capabilities{Add: []string{"CAP_NET_ADMIN"}, Drop: []string{"CAP_MKNOD"}},
		Seccomp: []SeccompRule{{Syscalls: []string{"keyctl"}}, {Syscalls: []string{"mknod", "mknodat"}, Errno: 1, ErrnoName: "EPERM",
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: 0o170000, ValueTwo: 0o060000, Op: specs.OpMaskedEqual}}}},
		Sysctls:      map[string]string{"net.ipv4.ping_group_range": "0 65535"},
		Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_MEMLOCK", Soft: 65536, Hard: 1<<64 - 1}},
		Env:          map[string]string{"container": "oci"},
		Namespaces:   []specs.LinuxNamespaceType{specs.CgroupNamespace},
		Cgroup:       &CgroupDelegation{Path: "/sys/fs/cgroup/k8s.io/x", UID: 65536, GID: 65536},
		ProcUnmasked: true,
		AppArmor:     "nodegate-mounts",
		LiveDirectories: []LiveDirectory{{Path: "/dev/.udev/nodegate/x/live-0", ContainerPath: "/dev/serial/by-id", Devices: []LiveDevices{{
			Select: DeviceSelector{USB: USB{Vendor: "10c4", Product: "ea60", Subsystem: "tty"}}, Majors: []int64{188}, UID: 65536, GID: 65536}}}},
	}
}

func TestChanges(t *testing.T) {
	a := everything()
	got := "\n"
	for _, c := range a.Changes() {
		got += c.Field + " " + c.Text + "\n"
	}
	if want := `
linux.devices + /dev/fuse c 10:229 rw mode 0660 owner user:7
node + /dev/.udev/nodegate/x/0 c 10:232 mode 0666 owner 65536:65536
mounts + /dev/kvm bound to /dev/.udev/nodegate/x/0
linux.devices - /dev/kvm, in whose place the other is bound
mounts + tmpfs at /run (nosuid,nodev)
mounts - the pod's bind at /dev/fuse
linux.resources.devices + c 188:* rw
CDI + vendor.com/gpu=0
linux.devices = /dev/ttyACM0 belongs to the process's user
process.capabilities + CAP_NET_ADMIN
process.capabilities - CAP_MKNOD
linux.seccomp + allow keyctl
linux.seccomp + EPERM for mknod, mknodat where argument 1 & 0170000 = 060000
linux.sysctl = net.ipv4.ping_group_range = "0 65535"
process.rlimits = memlock 65536:unlimited
process.env = container=oci
linux.namespaces + cgroup
node = /sys/fs/cgroup/k8s.io/x owned by 65536:65536 before the start
linux.maskedPaths - everything, linux.readonlyPaths too
process.apparmorProfile = nodegate-mounts
node + /dev/.udev/nodegate/x/live-0 live: usb 10c4:ea60 (tty)
mounts + /dev/serial/by-id bound to /dev/.udev/nodegate/x/live-0, read-only
root = no device opens on the root and the volumes, for /dev/serial/by-id
`; got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

// Every field of an adjustment belongs to one kind of change, which takes it
// along and takes it ac.
func TestKindsAreTheWhole(t *testing.T) {
	a := everything()
	whole := reflect.ValueOf(a)
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		if whole.Field(i).IsZero() {
			t.Errorf("everything() has no %s", name)
			continue
		}
		var only Adjustment
		reflect.ValueOf(&only).Elem().Field(i).Set(whole.Field(i))
		of := slices.DeleteFunc(Kinds(), func(k *Kind) bool { return !k.In(&only) })
		if len(of) != 1 {
			t.Errorf("%s is of %d kinds of change", name, len(of))
			continue
		}
		var taken Adjustment
		if of[0].Copy(&taken, &a); !reflect.DeepEqual(taken, only) {
			t.Errorf("%s: the kind copies %+v, want %+v", name, taken, only)
		}
		if only.Empty() || len(only.Changes()) == 0 || len(only.Names()) == 0 {
			t.Errorf("%s: an adjustment with that alone is empty, has no changes, or no name", name)
		}
		if text := fmt.Sprint(parts(&a, i)); text != fmt.Sprint(elements(whole.Field(i))) {
			t.Errorf("%s: its changes have %s, want %v", name, text, elements(whole.Field(i)))
		}
	}
}

// parts are the values that the changes have in a field.
func parts(a *Adjustment, field int) map[string]bool {
	out := map[string]bool{}
	for _, c := range a.Changes() {
		maps.Copy(out, elements(reflect.ValueOf(c.Only).Field(field)))
	}
	return out
}

// elements are those of a list or a map, those of a struct's lists, or the value itself.
func elements(v reflect.Value) map[string]bool {
	out := map[string]bool{}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			out[fmt.Sprint(v.Index(i))] = true
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			out[fmt.Sprint(key, v.MapIndex(key))] = true
		}
	case reflect.Struct:
		for i := range v.NumField() {
			maps.Copy(out, elements(v.Field(i)))
		}
	default:
		if !v.IsZero() {
			out[fmt.Sprint(v)] = true
		}
	}
	return out
}

func TestParseRlimit(t *testing.T) {
	const unlimited = 1<<64 - 1
	for _, tc := range []struct {
		name, text string
		soft, hard uint64
		err        string
	}{
		{name: "memlock", text: "unlimited", soft: unlimited, hard: unlimited},
		{name: "nofile", text: "1024:4096", soft: 1024, hard: 4096},
		{name: "core", text: "0", soft: 0, hard: 0},
		{name: "stack", text: "8388608:unlimited", soft: 8388608, hard: unlimited},
		{name: "MEMLOCK", text: "1", err: "is not a limit of Linux: write one of as, core, cpu, "},
		{name: "RLIMIT_CPU", text: "1", err: "is not a limit of Linux"},
		{name: "nofile", text: "many", err: `is "many": write a number, "unlimited", or "SOFT:HARD" of these`},
		{name: "nofile", text: "", err: `is "": write a number`},
		{name: "nofile", text: "-1", err: `is "-1": write a number`},
		{name: "nofile", text: "1:2:3", err: `is "1:2:3": write a number`},
		{name: "nofile", text: "18446744073709551615", err: "write a number"},
		{name: "nofile", text: "2:1", err: `is "2:1", a soft limit above the hard one: write "1:2", or "2" for both`},
		{name: "memlock", text: "unlimited:1", err: `write "1:unlimited", or "unlimited" for both`},
		{name: "nofile", text: "unlimited", err: `the kernel takes no more than its sysctl fs.nr_open: write a number, such as "1048576"`},
	} {
		got, err := ParseRlimit(tc.name, tc.text)
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s %q: %v, want %q", tc.name, tc.text, err, tc.err)
			}
			continue
		}
		want := specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(tc.name), Soft: tc.soft, Hard: tc.hard}
		if again, _ := ParseRlimit(tc.name, RlimitText(&got)); err != nil || got != want || again != got {
			t.Errorf("%s %q: %+v, %v", tc.name, tc.text, got, err)
		}
	}
}

func TestTakesAwayAndGives(t *testing.T) {
	for name, tc := range map[string]struct {
		a            Adjustment
		gives, takes bool
	}{
		"nothing":       {},
		"a sysctl":      {a: Adjustment{Sysctls: map[string]string{"net.core.somaxconn": "1"}}},
		"a tmpfs":       {a: Adjustment{Mounts: []specs.Mount{{Destination: "/run", Type: "tmpfs"}}}},
		"a device":      {a: Adjustment{Devices: []Device{{}}}, gives: true},
		"a capability":  {a: Adjustment{Capabilities: Capabilities{Add: []string{"CAP_A"}}}, gives: true},
		"a drop":        {a: Adjustment{Capabilities: Capabilities{Drop: []string{"CAP_A"}}}, takes: true},
		"allowed calls": {a: Adjustment{Seccomp: []SeccompRule{{Syscalls: []string{"keyctl"}}}}, gives: true},
		"denied calls":  {a: Adjustment{Seccomp: []SeccompRule{{Syscalls: []string{"keyctl"}, Errno: 1}}}, takes: true},
	} {
		if tc.a.Gives() != tc.gives || tc.a.TakesAway() != tc.takes {
			t.Errorf("%s: gives %t, takes away %t", name, tc.a.Gives(), tc.a.TakesAway())
		}
	}
}
