// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// rights are those of a container, one a line, as a reviewer would list them.
func rights(pod, container object) []string {
	out := []string{}
	security := container.in("securityContext")
	add, _ := security.in("capabilities")["add"].([]any)
	for _, c := range add {
		out = append(out, fmt.Sprint("CAP_", c))
	}
	paths := map[any]any{}
	for _, v := range pod.list("volumes") {
		if at := v.in("hostPath"); at != nil {
			paths[v["name"]] = at["path"]
		}
	}
	for _, m := range container.list("volumeMounts") {
		if path := paths[m["name"]]; path != nil {
			access := "rw"
			if m["readOnly"] == true && m["recursiveReadOnly"] == "IfPossible" {
				access = "ro"
			}
			out = append(out, fmt.Sprint(path, " ", access))
		}
	}
	slices.Sort(out)
	return out
}

// Every right of every container is one that is listed here. A kubelet with a root directory
// of its own has pod-resources there, and device-plugins where each kubelet has it:
// https://github.com/k0sproject/k0s/issues/7585
func TestChartRights(t *testing.T) {
	agent := []string{"/dev ro", "/dev/.udev/nodegate rw", "/proc ro", "/run/nodegate rw", "/sys/fs/cgroup rw", "/var/run/nri rw", "CAP_CHOWN", "CAP_FOWNER", "CAP_MKNOD"}
	node := []string{"/ rw", "CAP_CHOWN", "CAP_SYS_CHROOT"}
	noCgroups := slices.Clone(agent)
	noCgroups[slices.Index(noCgroups, "/sys/fs/cgroup rw")] = "/sys/fs/cgroup ro"
	for _, tc := range []struct {
		name string
		args []string
		want map[string][]string
	}{
		{"default", nil, map[string][]string{"DaemonSet/nodegate agent": agent}},
		{"no delegation", []string{"--set", "delegation.enabled=false"}, map[string][]string{"DaemonSet/nodegate agent": noCgroups}},
		{"resources", []string{"--set", "deviceResources.enabled=true", "--set", "deviceResources.rootDir=/var/lib/k0s/kubelet"}, map[string][]string{"DaemonSet/nodegate agent": slices.Sorted(slices.Values(append(slices.Clone(agent), "/var/lib/kubelet/device-plugins rw", "/var/lib/k0s/kubelet/pod-resources ro")))}},
		{"everything", everything(t), map[string][]string{
			"DaemonSet/nodegate agent":          slices.Sorted(slices.Values(append(slices.Clone(agent), "/var/log/nodegate rw"))),
			"DaemonSet/nodegate install":        node,
			"DaemonSet/nodegate-undo uninstall": node,
			"DaemonSet/nodegate-undo done":      {},
			"Job/nodegate-undo await":           {},
		}},
	} {
		have := map[string][]string{}
		for name, pod := range pods(render(t, tc.args...)) {
			for _, c := range append(pod.list("initContainers"), pod.list("containers")...) {
				have[fmt.Sprint(name, " ", c["name"])] = rights(pod, c)
				checkHardened(t, tc.name, pod, c)
			}
			for _, c := range pod.list("containers") {
				if slices.Contains(rights(pod, c), "/ rw") {
					t.Errorf("%s: container %s of %s has the node's root, and does not end", tc.name, c["name"], name)
				}
			}
			if pod["automountServiceAccountToken"] == true && name != "Job/nodegate-undo" {
				t.Errorf("%s: %s has a token", tc.name, name)
			}
		}
		if !maps.EqualFunc(have, tc.want, slices.Equal) {
			t.Errorf("%s: got\n%v\nwant\n%v", tc.name, have, tc.want)
		}
	}
}

// Nobody in the cluster's network ends an agent, or makes it unready: the metrics' port can
// be kept busy, and no probe goes by it.
func TestChartProbes(t *testing.T) {
	for _, set := range []string{"metrics.enabled=true", "metrics.enabled=false", "metrics.port=65534"} {
		listen := settings(t, "--set", set).Server.Listen
		agent := pods(render(t, "--set", set))["DaemonSet/nodegate"].list("containers")[0]
		if agent["livenessProbe"] != nil || agent["startupProbe"] != nil {
			t.Errorf("%s: %v, %v", set, agent["livenessProbe"], agent["startupProbe"])
		}
		command := fmt.Sprint(agent.in("readinessProbe").in("exec")["command"])
		_, address, _ := strings.Cut(strings.TrimSuffix(command, "]"), "--address=")
		if !strings.HasPrefix(address, "tcp://127.0.0.1:") || !slices.Contains(listen, address) {
			t.Errorf("%s: %s does not ask at one of %v that is the pod's alone", set, command, listen)
		}
	}
}

// checkHardened is what all containers have in common.
func checkHardened(t *testing.T, where string, pod, container object) {
	t.Helper()
	s := container.in("securityContext")
	for key, want := range map[string]any{"privileged": false, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true} {
		if s[key] != want {
			t.Errorf("%s: container %s has %s %v", where, container["name"], key, s[key])
		}
	}
	if drop := fmt.Sprint(s.in("capabilities")["drop"]); drop != "[ALL]" {
		t.Errorf("%s: container %s drops %s", where, container["name"], drop)
	}
	if s.in("seccompProfile")["type"] != "RuntimeDefault" {
		t.Errorf("%s: container %s has no seccomp profile", where, container["name"])
	}
	for key, value := range pod {
		if strings.HasPrefix(key, "host") && value != false {
			t.Errorf("%s: %s is %v", where, key, value)
		}
	}
	for _, m := range container.list("volumeMounts") {
		if m["mountPropagation"] != nil {
			t.Errorf("%s: %s has mountPropagation %v", where, m["name"], m["mountPropagation"])
		}
	}
}
