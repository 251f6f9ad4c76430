// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

const pingRange = "net.ipv4.ping_group_range"

// pinger is an ordinary user of a container that may not open raw sockets.
var pinger = node.ContainerConfig{Name: "pinger", RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000)), DropCapabilities: []string{"ALL"}}

// Every group of a pod may ping, as far as its id map goes.
func TestPing(t *testing.T) {
	n := sharedNode(t)
	ids := func(size uint32) []node.IDMapping { return []node.IDMapping{{Container: 0, Host: 200000, Size: size}} }
	for _, tc := range []struct {
		name          string
		pod           node.PodConfig
		without, with string // the sysctl
		pings         bool   // without the agent
	}{
		{"plain", node.PodConfig{}, "0 2147483647", "0 2147483647", true},
		{"user-namespace", node.PodConfig{UserNamespace: true}, "65534 65534", "0 65535", false},
		{"one-group-short", node.PodConfig{UserNamespace: true, GIDMappings: ids(65535)}, "65534 65534", "0 65534", false},
		{"small", node.PodConfig{UserNamespace: true, UIDMappings: ids(2000), GIDMappings: ids(1001)}, "65534 65534", "0 1000", false},
		{"large", node.PodConfig{UserNamespace: true, UIDMappings: ids(300000), GIDMappings: ids(262144)}, "65534 65534", "0 262143", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.pod.Namespace = "ci"
			if c := run(t, n, tc.pod, pinger); tc.pings {
				expect(t, c, "ping "+gateway, "reply from "+gateway)
			} else {
				expectEach(t, c, []qa{{"ping " + gateway, "EACCES"}, {"sysctl " + pingRange, tc.without}})
			}
			startAgent(t, n, grantApart("ping"))
			tc.pod.Annotations = askFor("ping")
			c := run(t, n, tc.pod, pinger)
			expectEach(t, c, []qa{{"ping " + gateway, "reply from " + gateway}, {"ping 127.0.0.1", "reply from 127.0.0.1"}, {"sysctl " + pingRange, tc.with}})
			if got := specOf(t, c).Linux.Sysctl[pingRange]; got != tc.with {
				t.Errorf("the runtime got %q, want %q", got, tc.with)
			}
		})
	}
}

// The sysctl of a pod with host network would be the node's own: it is left out where
// an administrator gives the profile to everyone, and refused where the pod asks.
func TestPingHostNetwork(t *testing.T) {
	n := sharedNode(t)
	_, agent := startAgent(t, n, grantApart("ping")+`
[[grants]]
namespaces = ["everyone"]
profiles = ["ping", "fuse"]
apply = "always"
`)
	for _, userns := range []bool{false, true} {
		p := runPod(t, n, node.PodConfig{Namespace: "everyone", HostNetwork: true, UserNamespace: userns})
		c := runContainer(t, p, node.ContainerConfig{})
		if value, ok := specOf(t, c).Linux.Sysctl[pingRange]; ok {
			t.Errorf("the runtime was told to set the node's own sysctl to %q", value)
		}
		expect(t, c, "open /dev/fuse rw", "ok") // the rest of the grant holds
		if log := agent.Log(); !strings.Contains(log, "shares the node's network namespace") {
			t.Errorf("the log does not say what was left out and why:\n%s", log)
		}
		asks := runPod(t, n, node.PodConfig{Namespace: "ci", HostNetwork: true, UserNamespace: userns, Annotations: askFor("ping")})
		want := fmt.Sprintf(`container "main" of pod ci/%s asks for profile "ping", whose sysctl %s would be the node's own: the pod shares the node's network namespace`,
			asks.Config.Name, pingRange)
		if got := refusal(t, asks, node.ContainerConfig{}); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		// An always grant that the pod asks for as well is asked for.
		both := runPod(t, n, node.PodConfig{Namespace: "everyone", HostNetwork: true, UserNamespace: userns, Annotations: askFor("ping")})
		if got := refusal(t, both, node.ContainerConfig{}); !strings.Contains(got, "would be the node's own") {
			t.Error(got)
		}
	}
}

// A sysctl holds for the whole pod: containers that would get different values do not
// both run. The profile wins over what the pod's own spec says.
func TestSysctlsOfOnePod(t *testing.T) {
	n := sharedNode(t)
	startAgent(t, n, grantApart("narrow", "ping")+fmt.Sprintf(`
[profiles.narrow.sysctls]
%q = "0 999"
`, pingRange))
	for _, userns := range []bool{false, true} {
		p := runPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns,
			Sysctls: map[string]string{pingRange: "5 6"}, Annotations: askForEach("narrow", "ping")})
		one := runContainer(t, p, node.ContainerConfig{Name: "narrow"})
		expect(t, one, "sysctl "+pingRange, "0 999")
		got := refusal(t, p, node.ContainerConfig{Name: "ping"})
		want := `of profile "ping", but it holds for the whole pod, and container "narrow" has "0 999"`
		if !strings.HasSuffix(got, want) {
			t.Errorf("got %s\nwant … %s", got, want)
		}
		// One without a profile runs, and changes nothing.
		expect(t, runContainer(t, p, node.ContainerConfig{Name: "none"}), "sysctl "+pingRange, "0 999")
	}
}
