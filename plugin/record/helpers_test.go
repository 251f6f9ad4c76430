// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

// requireRoot skips a test that cannot run here, or fails it where tests must
// not be skipped: a record that is not root's is refused.
func requireRoot(t testing.TB) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") == "1":
		t.Fatal("records belong to root: run the tests as root, or without CI and NODEGATE_REQUIRE")
	default:
		t.Skip("records belong to root: run the tests as root")
	}
}

func newStore(t testing.TB) *Store {
	t.Helper()
	requireRoot(t)
	s, err := Open(t.TempDir() + "/run/nodegate")
	must(t, err)
	return s
}

// full returns a record in which every member is used.
func full(t testing.TB, id string) Record {
	t.Helper()
	r, err := New()
	must(t, err)
	r.ContainerID, r.PodID, r.Namespace, r.Pod, r.Container = id, "pod-1", "iot-a", "gw-0", "main"
	r.Profiles = []string{"modem", "ping"}
	r.Definitions = []string{"01", "02"}
	r.Units = map[string][]string{"modem": {"serial/by-id/usb-1"}}
	r.Given.Sysctls = map[string]string{"net.ipv4.ping_group_range": "0 65535"}
	r.Given.Cgroup = &change.CgroupDelegation{Path: "/sys/fs/cgroup/k8s.io/" + id, UID: 100000, GID: 100000}
	mode, number, errno := os.FileMode(0o660), uint32(7), int64(188)
	r.Adjustment = change.Adjustment{
		Devices: []change.Device{{Access: "rw", LinuxDevice: specs.LinuxDevice{
			Path: "/dev/ttyUSB0", Type: "c", Major: 188, FileMode: &mode, UID: &number, GID: &number}}},
		DeviceRules:  []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &errno, Access: "rw"}},
		ShadowNodes:  []change.ShadowNode{{Path: "/dev/x/c/0", Type: "b", Major: 7, Minor: 1, Mode: 0o600, UID: 100000, GID: 1, ContainerPath: "/dev/loop1"}},
		CDIDevices:   []string{"vendor.com/modem=all"},
		AdoptDevices: []string{"/dev/kvm"},
		Mounts:       []specs.Mount{{Destination: "/run", Type: "tmpfs", Source: "tmpfs", Options: []string{"rw"}}},
		Unmounts:     []string{"/dev/fuse"},
		Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_MEMLOCK", Soft: 65536, Hard: 131072}},
		Capabilities: change.Capabilities{Add: []string{"CAP_MKNOD"}, Drop: []string{"CAP_CHOWN"}},
		Seccomp: []change.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM",
			Args: []specs.LinuxSeccompArg{{Index: 1, Value: 1<<64 - 1, ValueTwo: 1, Op: specs.OpMaskedEqual}}}},
		Sysctls:      map[string]string{"net.ipv4.ping_group_range": "0 65535"},
		Env:          map[string]string{"container": "oci"},
		Namespaces:   []specs.LinuxNamespaceType{specs.CgroupNamespace},
		ProcUnmasked: true,
		AppArmor:     "nodegate-mounts",
		LiveDirectories: []change.LiveDirectory{{Path: "/dev/.udev/nodegate/x/live-0", ContainerPath: "/dev/serial/by-id", Devices: []change.LiveDevices{
			{Select: change.DeviceSelector{Path: "/dev/ttyUSB*"}, Majors: []int64{188}, Mode: &mode, UID: 100000, GID: 100000},
			{Select: change.DeviceSelector{USB: change.USB{Vendor: "10c4", Product: "ea60", Serial: "1", Subsystem: "tty"}}, Majors: []int64{188}, Mode: &mode, UID: 100000, GID: 100000},
		}}},
		Cgroup: &change.CgroupDelegation{Path: "/sys/fs/cgroup/x", UID: 100000},
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("got error %v, want %q", err, part)
	}
}
