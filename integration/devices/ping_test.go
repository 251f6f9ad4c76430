// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// Every group of a pod may ping, as far as its id map goes.
func TestPing(t *testing.T) {
	n := it.SharedNode(t)
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
			if c := it.Run(t, n, tc.pod, it.Pinger); tc.pings {
				it.Expect(t, c, "ping "+it.Gateway, "reply from "+it.Gateway)
			} else {
				it.ExpectEach(t, c, []it.QA{{"ping " + it.Gateway, "EACCES"}, {"sysctl " + it.PingRange, tc.without}})
			}
			it.StartAgent(t, n, it.GrantApart("ping"))
			tc.pod.Annotations = it.AskFor("ping")
			c := it.Run(t, n, tc.pod, it.Pinger)
			it.ExpectEach(t, c, []it.QA{{"ping " + it.Gateway, "reply from " + it.Gateway}, {"ping 127.0.0.1", "reply from 127.0.0.1"}, {"sysctl " + it.PingRange, tc.with}})
			if got := it.SpecOf(t, c).Linux.Sysctl[it.PingRange]; got != tc.with {
				t.Errorf("the runtime got %q, want %q", got, tc.with)
			}
		})
	}
}

// The sysctl of a pod with host network would be the node's own: it is left out where
// an administrator gives the profile to everyone, and refused where the pod asks.
func TestPingHostNetwork(t *testing.T) {
	n := it.SharedNode(t)
	_, agent := it.StartAgent(t, n, it.GrantApart("ping")+`
[[grants]]
namespaces = ["everyone"]
profiles = ["ping", "fuse"]
apply = "always"
`)
	for _, userns := range []bool{false, true} {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "everyone", HostNetwork: true, UserNamespace: userns})
		c := it.RunContainer(t, p, node.ContainerConfig{})
		if value, ok := it.SpecOf(t, c).Linux.Sysctl[it.PingRange]; ok {
			t.Errorf("the runtime was told to set the node's own sysctl to %q", value)
		}
		it.Expect(t, c, "open /dev/fuse rw", "ok") // the rest of the grant holds
		if log := agent.Log(); !strings.Contains(log, "shares the node's network namespace") {
			t.Errorf("the log does not say what was left out and why:\n%s", log)
		}
		asks := it.RunPod(t, n, node.PodConfig{Namespace: "ci", HostNetwork: true, UserNamespace: userns, Annotations: it.AskFor("ping")})
		want := fmt.Sprintf(`container "main" of pod ci/%s asks for profile "ping", whose sysctl %s would be the node's own: the pod shares the node's network namespace`,
			asks.Config.Name, it.PingRange)
		if got := it.Refusal(t, asks, node.ContainerConfig{}); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		// An always grant that the pod asks for as well is asked for.
		both := it.RunPod(t, n, node.PodConfig{Namespace: "everyone", HostNetwork: true, UserNamespace: userns, Annotations: it.AskFor("ping")})
		if got := it.Refusal(t, both, node.ContainerConfig{}); !strings.Contains(got, "would be the node's own") {
			t.Error(got)
		}
	}
}

// A sysctl holds for the whole pod: containers that would get different values do not
// both run. The profile wins over what the pod's own spec says.
func TestSysctlsOfOnePod(t *testing.T) {
	n := it.SharedNode(t)
	it.StartAgent(t, n, it.GrantApart("narrow", "ping")+fmt.Sprintf(`
[profiles.narrow.sysctls]
%q = "0 999"
`, it.PingRange))
	for _, userns := range []bool{false, true} {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "ci", UserNamespace: userns,
			Sysctls: map[string]string{it.PingRange: "5 6"}, Annotations: it.AskForEach("narrow", "ping")})
		one := it.RunContainer(t, p, node.ContainerConfig{Name: "narrow"})
		it.Expect(t, one, "sysctl "+it.PingRange, "0 999")
		got := it.Refusal(t, p, node.ContainerConfig{Name: "ping"})
		want := `of profile "ping", but it holds for the whole pod, and container "narrow" has "0 999"`
		if !strings.HasSuffix(got, want) {
			t.Errorf("got %s\nwant … %s", got, want)
		}
		// One without a profile runs, and changes nothing.
		it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Name: "none"}), "sysctl "+it.PingRange, "0 999")
	}
}
