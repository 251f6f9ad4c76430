// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"reflect"
	"strings"
	"testing"
)

// The formats of 1.7 and of 2.x; integration reads those of real ones.
func TestParseContainerd(t *testing.T) {
	nri := NRISettings{Disabled: true, Socket: "/s", Registration: "5s", Request: "2s"}
	old := Containerd{Version: 2, Root: "/r", Default: "runc", NRI: nri, Handlers: map[string]Handler{"runc": {BinaryName: "/b", SystemdCgroup: true}}}
	const nriText = "disable = true\nsocket_path = \"/s\"\nplugin_registration_timeout = \"5s\"\nplugin_request_timeout = \"2s\"\n"
	const runtimes = "default_runtime_name = 'runc'\n[plugins.'%'.containerd.runtimes.runc.options]\nBinaryName = '/b'\nSystemdCgroup = true\nmore = 1\n"
	got, imports, err := parseContainerd([]byte("version = 2\nroot = '/r'\nimports = ['/i/*.toml']\n[plugins.'io.containerd.nri.v1.nri']\n" + nriText +
		"[plugins.'io.containerd.grpc.v1.cri'.containerd]\n" + replace(runtimes, "io.containerd.grpc.v1.cri")))
	if err != nil || !reflect.DeepEqual(got, old) || len(imports) != 1 {
		t.Errorf("version 2: %+v, %q, %v", got, imports, err)
	}
	now := old
	now.Version = 3
	now.NRI.Validator = &Validator{Enabled: true, Rejects: []string{"reject_a", "reject_b"}, Required: []string{"x"}, Tolerate: "t"}
	got, _, err = parseContainerd([]byte("version = 3\nroot = '/r'\n[plugins.'io.containerd.nri.v1.nri']\n" + nriText +
		"[plugins.'io.containerd.nri.v1.nri'.default_validator]\nenable = true\nreject_b = true\nreject_a = true\nreject_c = false\nrequired_plugins = ['x']\n" +
		"tolerate_missing_plugins_annotation = 't'\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\n" + replace(runtimes, "io.containerd.cri.v1.runtime")))
	if err != nil || !reflect.DeepEqual(got, now) {
		t.Errorf("version 3: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "version = 2", "not toml", "plugins = 1"} {
		if _, _, err := parseContainerd([]byte(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func replace(text, plugin string) string { return strings.ReplaceAll(text, "%", plugin) }

func TestNSDelegate(t *testing.T) {
	const v1 = "30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"
	for text, want := range map[string]Fact[bool]{
		"25 24 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n": fact(true),
		v1 + "25 24 0:22 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n":                                       fact(false),
		v1: unknown[bool]("no cgroup2 is mounted"),
	} {
		if got := nsDelegate([]byte(text)); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestListening(t *testing.T) {
	const table = `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 4711 /var/run/nri/nri.sock
0000000000000000: 00000003 00000000 00000000 0001 03 4712 /var/run/nri/nri.sock
0000000000000000: 00000003 00000000 00000000 0001 03 4713 /var/run/nri/nri.sock
0000000000000000: 00000003 00000000 00000000 0001 03 4714
0000000000000000: 00000002 00000000 00010000 0001 01 4715 /run/other.sock
`
	if ok, n := listening([]byte(table), "/run/nri/nri.sock"); !ok || n != 2 {
		t.Errorf("%v, %d", ok, n)
	}
	if ok, n := listening([]byte(table), "/run/none.sock"); ok || n != 0 {
		t.Errorf("none: %v, %d", ok, n)
	}
}
