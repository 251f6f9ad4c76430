// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"io/fs"
	"reflect"
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
			{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev"}}},
		Capabilities: Capabilities{Add: []string{"CAP_NET_ADMIN"}, Drop: []string{"CAP_MKNOD"}},
		Seccomp: []SeccompRule{{Syscalls: []string{"keyctl"}}, {Syscalls: []string{"mknod", "mknodat"}, Errno: 1, ErrnoName: "EPERM",
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: 0o170000, ValueTwo: 0o060000, Op: specs.OpMaskedEqual}}}},
		Sysctls:      map[string]string{"net.ipv4.ping_group_range": "0 65535"},
		Env:          map[string]string{"container": "oci"},
		Namespaces:   []specs.LinuxNamespaceType{specs.CgroupNamespace},
		Cgroup:       &CgroupDelegation{Path: "/sys/fs/cgroup/k8s.io/x", UID: 65536, GID: 65536},
		ProcUnmasked: true,
	}
}

func TestParts(t *testing.T) {
	a := everything()
	got := "\n"
	for _, part := range a.Parts() {
		got += part.Field + " " + part.Text + "\n"
	}
	if want := `
linux.devices + /dev/fuse c 10:229 rw mode 0660 owner user:7
node + /dev/.udev/nodegate/x/0 c 10:232 mode 0666 owner 65536:65536
mounts + /dev/kvm bound to /dev/.udev/nodegate/x/0
linux.devices - /dev/kvm, in whose place the other is bound
mounts + tmpfs at /run (nosuid,nodev)
linux.resources.devices + c 188:* rw
CDI + vendor.com/gpu=0
linux.devices = /dev/ttyACM0 belongs to the process's user
process.capabilities + CAP_NET_ADMIN
process.capabilities - CAP_MKNOD
linux.seccomp + allow keyctl
linux.seccomp + EPERM for mknod, mknodat where argument 1 & 0170000 = 060000
linux.sysctl = net.ipv4.ping_group_range = "0 65535"
process.env = container=oci
linux.namespaces + cgroup
node = /sys/fs/cgroup/k8s.io/x owned by 65536:65536 before the start
linux.maskedPaths - everything, linux.readonlyPaths too
`; got != want {
		t.Errorf("got%swant%s", got, want)
	}
}

// No field of an adjustment may be left out of its parts.
func TestPartsAreTheWhole(t *testing.T) {
	a := everything()
	whole := reflect.ValueOf(a)
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		if whole.Field(i).IsZero() {
			t.Errorf("everything() has no %s", name)
			continue
		}
		have := map[string]bool{}
		for _, part := range a.Parts() {
			only := reflect.ValueOf(part.Only).Field(i)
			switch only.Kind() {
			case reflect.Slice:
				for j := range only.Len() {
					have[fmt.Sprint(only.Index(j))] = true
				}
			default:
				have[fmt.Sprint(only)] = true
			}
		}
		if f := whole.Field(i); f.Kind() == reflect.Slice {
			for j := range f.Len() {
				if !have[fmt.Sprint(f.Index(j))] {
					t.Errorf("%s: no part has %v", name, f.Index(j))
				}
			}
		} else if f.Kind() != reflect.Struct && !have[fmt.Sprint(f)] {
			t.Errorf("%s: no part has %v", name, f)
		}
	}
}
