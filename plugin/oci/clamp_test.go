// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
)

func mountOf(destination, source string) specs.Mount {
	return specs.Mount{Destination: destination, Type: "bind", Source: source}
}

func deviceOf(path, access string) change.Device {
	return change.Device{Access: access, LinuxDevice: specs.LinuxDevice{Path: path, Type: "c", Major: 10, Minor: 200}}
}

func TestClampPing(t *testing.T) {
	const pod = `{"containerID":0,"hostID":65536,"size":65536}`
	const keep, gone = "keep", "gone"
	for _, tc := range []struct{ value, maps, want string }{
		{"0 2147483647", pod, "0 65535"}, // as older k3s has it
		{"0\t4294967295", pod, "0 65535"},
		{"0 65535", pod, keep},
		{"1 0", pod, keep}, // nobody, as the kernel has it
		{"100 2147483647", pod, "100 65535"},
		{"65535 65536", pod, "65535 65535"},
		{"65536 2147483647", pod, gone},
		{"2147483647 0", pod, gone},
		{"0 99999999999999999999", pod, keep}, // no number of the kernel's; runc will say so
		{"all", pod, keep},
		{"0 1 2", pod, keep},
		{"-1 5", pod, keep},
		{"0 2147483647", `{"containerID":0,"hostID":0,"size":4294967295}`, keep},
		{"0 4294967294", `{"containerID":0,"hostID":0,"size":4294967295}`, "0 2147483647"},
		{"0 70000", pod + `,{"containerID":70000,"hostID":1,"size":1}`, keep}, // holes pass
		{"0 70001", pod + `,{"containerID":70000,"hostID":1,"size":1}`, "0 65535"},
		{"0 2147483647", `{"containerID":5,"hostID":65536,"size":65536}`, keep},
		{"0 2147483647", `{"containerID":0,"hostID":65536,"size":1}`, "0 0"},
		{"1 2147483647", `{"containerID":0,"hostID":65536,"size":1}`, gone},
	} {
		for _, name := range []string{"net.ipv4.ping_group_range", "net/ipv4/ping_group_range"} {
			config := fmt.Sprintf(`{ "linux": { "namespaces": [{"type":"user","path":"/x"}], "gidMappings": [%s], "sysctl": { "a": "b", %q: %q } } }`,
				tc.maps, name, tc.value)
			want := config
			switch tc.want {
			case gone:
				want = strings.Replace(config, fmt.Sprintf(`, %q: %q`, name, tc.value), "", 1)
			case keep:
			default:
				want = strings.Replace(config, fmt.Sprintf("%q", tc.value), fmt.Sprintf("%q", tc.want), 1)
			}
			spec, err := parseDocument(specName, []byte(config))
			if err == nil {
				err = clampPing(spec)
			}
			if err != nil || string(spec.bytes()) != want {
				t.Errorf("%q with %s: %v\n got %s\nwant %s", tc.value, tc.maps, err, spec.bytes(), want)
			}
		}
	}
}

func TestClampNeedsAUserNamespace(t *testing.T) {
	for _, config := range []string{
		`{"linux":{"namespaces":[{"type":"network"}],"gidMappings":[{"size":1}],"sysctl":{"net.ipv4.ping_group_range":"0 5"}}}`,
		`{"linux":{"namespaces":[{"type":"user"}],"sysctl":{"net.ipv4.ping_group_range":"0 5"}}}`,
		`{"linux":{"namespaces":[{"type":"user"}],"gidMappings":[{"size":1}],"sysctl":{}}}`,
		`{"linux":null}`, `{}`,
	} {
		spec, err := parseDocument(specName, []byte(config))
		if err == nil {
			err = clampPing(spec)
		}
		if err != nil || string(spec.bytes()) != config {
			t.Errorf("%s became %s, %v", config, spec.bytes(), err)
		}
	}
}
