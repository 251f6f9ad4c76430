// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

const sentencesPolicy = `version = 1
[profiles.machine]
requires = { user_namespace = true }
tmpfs = ["/run"]
[profiles.a.sysctls]
"net.core.somaxconn" = "1024"
[profiles.b.sysctls]
"net.core.somaxconn" = "4096"
[profiles.odd]
devices = [{ path = "/dev/odd", access = "rw" }]
[profiles.mine]
devices = [{ path = "/dev/fuse", access = "rw", uid = "user" }]
[profiles.high]
devices = [{ path = "/dev/fuse", access = "rw", uid = 70000 }]

[[grants]]
profiles = ["fuse"]
namespaces = ["ci"]
[[grants]]
profiles = ["kvm"]
namespaces = ["ci"]
pods = "app = vm"
[[grants]]
profiles = ["a"]
namespaces = ["conflict"]
[[grants]]
profiles = ["b"]
namespaces = ["conflict"]
[[grants]]
profiles = ["machine", "odd", "ping"]
namespaces = ["vm", "bad", "host"]
[[grants]]
profiles = ["mine"]
namespaces = ["user"]
[[grants]]
profiles = ["high"]
namespaces = ["unmapped"]
[[grants]]
profiles = ["fuse"]
namespaces = ["moved"]
accept = ["devices.nri.io"]
`

// The refusals of testdata/refusals.txt, which troubleshooting.md links to, are those that the
// engine makes.
func TestSentences(t *testing.T) {
	const list = "testdata/refusals.txt"
	if page := read(t, "troubleshooting.md"); !strings.Contains(page, "("+list+")") {
		t.Errorf("troubleshooting.md has no link to %s", list)
	}
	var made strings.Builder
	c, err := config.Parse("config.toml", []byte(sentencesPolicy))
	if err != nil {
		t.Fatal(err)
	}
	none := func(*policy.Facts) {}
	moved := func(value string) func(*policy.Facts) {
		return func(f *policy.Facts) { f.Request.Annotations = map[string]string{"devices.nri.io": value} }
	}
	for _, tc := range []struct {
		code           policy.Code
		namespace, ask string
		change         func(*policy.Facts)
	}{
		{policy.UnknownProfile, "ci", "fuze", none},
		{policy.NotGranted, "ci", "tun", none},
		{policy.NotGranted, "ci", "kvm", none},
		{policy.Unmet, "vm", "machine", none},
		{policy.Conflict, "conflict", "a, b", none},
		{policy.NoDevice, "ci", "fuse", func(f *policy.Facts) { f.Host.Devices = nil }},
		{policy.BadDevice, "bad", "odd", none},
		{policy.Occupied, "ci", "fuse", func(f *policy.Facts) {
			f.Container.Mounts = []specs.Mount{{Destination: "/dev", Type: "bind"}}
		}},
		{policy.UnknownFact, "user", "mine", none},
		{policy.Unmapped, "unmapped", "high", func(f *policy.Facts) {
			f.Request.UserNamespace = policy.Is(true)
			f.Host.UIDMap = policy.Is([]specs.LinuxIDMapping{{HostID: 100000, Size: 65536}})
			f.Host.GIDMap = f.Host.UIDMap
		}},
		{policy.HostNamespace, "host", "ping", func(f *policy.Facts) {
			f.Container.HostNamespaces = policy.Is([]specs.LinuxNamespaceType{specs.NetworkNamespace})
		}},
		{policy.NotGranted, "moved", "", moved("- path: /dev/kvm")},
		{policy.Conflict, "moved", "", moved("[{path: /dev/fuse, type: c, major: 1, minor: 1}]")},
		{policy.BadRequest, "moved", "", moved("- paht: /dev/fuse")},
		{policy.BadRequest, "ci", "", func(f *policy.Facts) {
			f.Request.Annotations = map[string]string{policy.AnnotationBare + "/pods": "fuse"}
		}},
	} {
		f := ordinary(tc.namespace, tc.ask)
		tc.change(f)
		refusal := refusalOf(t, c.Policy, f)
		if refusal == nil || refusal.Code != tc.code {
			t.Errorf("%s: got %v", tc.code, refusal)
			continue
		}
		fmt.Fprintf(&made, "%s [%s]\n", refusal.Text, refusal.Code)
		for _, field := range [][2]string{{"subject", refusal.Subject}, {"remedy", refusal.Remedy}} {
			if field[1] != "" {
				fmt.Fprintf(&made, "    %s: %s\n", field[0], field[1])
			}
		}
		made.WriteString("\n")
	}
	if *update {
		write(t, list, made.String())
	} else if read(t, list) != made.String() {
		t.Errorf("%s is not what the engine says: run this test with -update", list)
	}
}

// ordinary is a container of a plain pod that asks for profiles.
func ordinary(namespace, ask string) *policy.Facts {
	return &policy.Facts{
		Request: policy.Request{Namespace: namespace, Pod: "web-1", Container: "app", UserNamespace: policy.Is(false),
			Annotations: map[string]string{policy.AnnotationPod: ask}},
		TellingRuntime: "use containerd 2.3 or later",
		Container:      policy.Container{ID: "c0ffee", HostNamespaces: policy.Is([]specs.LinuxNamespaceType{}), PIDNamespace: policy.Is(policy.OwnPID)},
		Host: policy.Host{Devices: map[policy.DeviceSelector]policy.DeviceLookup{
			{Path: "/dev/fuse"}: {Nodes: []policy.HostDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Mode: fs.FileMode(0o666)}}},
			{Path: "/dev/odd"}:  {Err: errors.New(`"/dev/odd" is a regular file, not a device`)},
		}},
	}
}

func refusalOf(t *testing.T, p *policy.Policy, f *policy.Facts) *policy.Refusal {
	t.Helper()
	selection, err := p.Select(&f.Request)
	if err == nil {
		_, err = p.Decide(selection, f)
	}
	var refusal *policy.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	return refusal
}
