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
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Which channel delivers what, by runtime.
func TestDeliver(t *testing.T) {
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
		runtimes.Newest:             "agent: node NRI: linux.devices linux.devices mounts linux.resources.devices linux.seccomp linux.sysctl process.env " + rest,
		"frakti/2.4.2":              "agent: node NRI: linux.devices mounts process.env wrapper: linux.devices linux.devices linux.resources.devices linux.devices process.capabilities process.capabilities linux.seccomp linux.sysctl linux.maskedPaths",
		"cri-o/1.36.3":              "agent: node NRI: linux.devices linux.devices mounts linux.resources.devices process.env wrapper: linux.devices linux.devices process.capabilities process.capabilities linux.seccomp linux.sysctl linux.maskedPaths",
		"cri-o/1.37.0":              "agent: node NRI: linux.devices linux.devices mounts linux.resources.devices linux.sysctl process.env wrapper: linux.devices linux.devices process.capabilities process.capabilities linux.seccomp linux.maskedPaths",
	} {
		r, err := runtimes.Parse(runtime)
		if err != nil {
			t.Fatal(err)
		}
		for _, handler := range []string{"nodegate", "runc"} {
			plan := Plan{Decision: policy.Decision{Adjustment: all}}
			var err error
			plan.reply, plan.remainder, err = deliver(r, c.Policy, &policy.Request{Handler: handler}, nil, &all,
				policy.Known[*rspec.LinuxSeccomp]{OK: r.Has(change.TellsSeccomp)})
			by := map[change.Channel]string{}
			for _, d := range plan.Deliveries(c.Policy.Wrapped(handler)) {
				by[d.By] += " " + d.Field
			}
			got, want := "", want
			for _, channel := range []change.Channel{change.Agent, change.NRI, change.Wrapper, change.Nobody} {
				if fields, ok := by[channel]; ok {
					got += " " + string(channel) + ":" + fields
				}
			}
			if handler != "nodegate" {
				want = strings.Replace(want, "wrapper:", "nobody:", 1)
			}
			if got = strings.TrimSpace(got); got != want {
				t.Errorf("%s, handler %q:\n got %s\nwant %s", runtime, handler, got, want)
			}
			if (err != nil) != (handler != "nodegate") || err != nil && !strings.Contains(err.Error(), fmt.Sprintf(`%s cannot carry: set runtimeClassName: nodegate in the pod's spec (a RuntimeClass of handler "nodegate")`, r)) {
				t.Errorf("%s, handler %q: %v", runtime, handler, err)
			}
		}
	}
}

// A refusal names those profiles alone that something is given by.
func TestRefusalNamesTheGivers(t *testing.T) {
	c, err := config.Parse("config.toml", []byte(`version = 1
[profiles.outer]
include = ["fuse"]
[profiles.set]
env = { A = "1" }
`))
	if err != nil {
		t.Fatal(err)
	}
	major := int64(10)
	rules := policy.Adjustment{DeviceRules: []rspec.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: &major, Access: "rw"}}}
	sysctls := policy.Adjustment{Sysctls: map[string]string{"net.core.somaxconn": "1"}}
	r, err := runtimes.Parse("containerd/2.0.14")
	if err != nil {
		t.Fatal(err)
	}
	for want, tc := range map[string]struct {
		a        *policy.Adjustment
		profiles []string
	}{
		`device-cgroup rules by profile "fuse", which`:               {&rules, []string{"fuse", "ping"}},
		`device-cgroup rules by profiles outer, fuse, which`:         {&rules, []string{"set", "outer", "fuse"}},
		`the sysctl net.core.somaxconn by profile "ping", which`:     {&sysctls, []string{"fuse", "ping"}},
		`the sysctl net.core.somaxconn by profiles set, fuse, which`: {&sysctls, []string{"set", "fuse"}}, // by none of them
	} {
		_, _, err := deliver(r, c.Policy, &policy.Request{}, tc.profiles, tc.a, policy.Known[*rspec.LinuxSeccomp]{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
