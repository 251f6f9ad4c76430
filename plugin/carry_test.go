// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	rspec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// Who carries what, by runtime: the table of docs/policy.md.
func TestCarry(t *testing.T) {
	c, err := config.Parse("config.toml", []byte("version = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	mode, id := fs.FileMode(0o660), uint32(0)
	node := rspec.LinuxDevice{Path: "/dev/x", Type: "c", Major: 10, Minor: 229, FileMode: &mode, UID: &id, GID: &id}
	major := int64(188)
	all := policy.Adjustment{
		Devices:      []policy.Device{{LinuxDevice: node, Access: "rw"}, {LinuxDevice: node, Access: "r"}},
		DeviceRules:  []rspec.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &major, Access: "rw"}},
		ShadowNodes:  []policy.ShadowNode{{Path: "/s/0", ContainerPath: "/dev/y", Type: "c", Replaces: true}},
		Mounts:       []rspec.Mount{{Destination: "/dev/y", Source: "/s/0", Type: "bind"}},
		AdoptDevices: []string{"/dev/z"},
		Capabilities: policy.Capabilities{Add: []string{"CAP_A"}, Drop: []string{"CAP_B"}},
		Seccomp:      []policy.SeccompRule{{Syscalls: []string{"keyctl"}}},
		Sysctls:      map[string]string{"net.core.somaxconn": "1"},
		Env:          map[string]string{"container": "oci"},
		ProcUnmasked: true,
	}
	const rest = "wrapper: linux.devices linux.devices process.capabilities process.capabilities linux.maskedPaths"
	for runtime, want := range map[string]string{
		"containerd/1.7.35+unknown": "agent: node NRI: linux.devices mounts process.env wrapper: linux.devices linux.devices linux.resources.devices linux.devices process.capabilities process.capabilities linux.seccomp linux.sysctl linux.maskedPaths",
		"containerd/2.2.1-k3s1":     "agent: node NRI: linux.devices linux.devices mounts linux.resources.devices process.env wrapper: linux.devices linux.devices process.capabilities process.capabilities linux.seccomp linux.sysctl linux.maskedPaths",
		"containerd/v2.3.0":         "agent: node NRI: linux.devices linux.devices mounts linux.resources.devices linux.seccomp linux.sysctl process.env " + rest,
		NewestRuntime:               "agent: node NRI: linux.devices linux.devices mounts linux.resources.devices linux.seccomp linux.sysctl process.env " + rest,
		"cri-o/1.40.0":              "agent: node NRI: linux.devices mounts process.env wrapper: linux.devices linux.devices linux.resources.devices linux.devices process.capabilities process.capabilities linux.seccomp linux.sysctl linux.maskedPaths",
	} {
		r, err := ParseRuntime(runtime)
		if err != nil {
			t.Fatal(err)
		}
		for _, handler := range []string{"nodegate", "runc"} {
			parts, err := r.Carry(c.Policy, &policy.Request{Handler: handler}, &all, nil)
			by := map[Surface]string{}
			for _, part := range parts {
				by[part.By] += " " + part.Field
			}
			got, want := "", want
			for _, surface := range []Surface{ByAgent, ByNRI, ByWrapper, ByNobody} {
				if fields, ok := by[surface]; ok {
					got += " " + string(surface) + ":" + fields
				}
			}
			if handler != "nodegate" {
				want = strings.Replace(want, "wrapper:", "nobody:", 1)
			}
			if got = strings.TrimSpace(got); got != want {
				t.Errorf("%s, handler %q:\n got %s\nwant %s", runtime, handler, got, want)
			}
			if (err != nil) != (handler != "nodegate") || err != nil && !strings.Contains(err.Error(), fmt.Sprintf(`%s cannot carry: use a RuntimeClass of handler "nodegate"`, r)) {
				t.Errorf("%s, handler %q: %v", runtime, handler, err)
			}
		}
	}
}

func TestParseRuntime(t *testing.T) {
	for _, bad := range []string{"", "containerd", "containerd/", "/2.4.2", "containerd/two", "2.4.2"} {
		if r, err := ParseRuntime(bad); err == nil || !strings.Contains(err.Error(), "containerd/2.") {
			t.Errorf("%q: %v, %v", bad, r, err)
		}
	}
	r, err := ParseRuntime("containerd/1.7.24~ds1")
	if err != nil || r.String() != "containerd 1.7.24~ds1 (NRI 0.6.0)" || r.TellsContainer() {
		t.Errorf("%v, %v", r, err)
	}
}
