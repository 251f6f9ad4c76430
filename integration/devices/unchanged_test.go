// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// unchangedPods are pods of every kind, with what a device plugin and a sysctl add.
func unchangedPods() map[string]struct {
	pod       node.PodConfig
	container node.ContainerConfig
} {
	type pair = struct {
		pod       node.PodConfig
		container node.ContainerConfig
	}
	device := []node.Device{{HostPath: "/dev/full", ContainerPath: "/dev/given", Permissions: "r"}}
	return map[string]pair{
		"plain":        {node.PodConfig{}, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault, Devices: device}},
		"userns":       {node.PodConfig{UserNamespace: true}, node.ContainerConfig{RunAsUser: new(int64(1000)), DropCapabilities: []string{"ALL"}}},
		"privileged":   {node.PodConfig{Privileged: true}, node.ContainerConfig{Privileged: true}},
		"host-network": {node.PodConfig{HostNetwork: true, HostPID: true}, node.ContainerConfig{NoNewPrivs: true, ReadOnlyRootFilesystem: true}},
	}
}

// specsOf runs the pods and returns what the runtime got for each, with the ids that
// differ from run to run taken out.
func specsOf(t *testing.T, n *node.Node, annotations map[string]string) map[string][]byte {
	t.Helper()
	specs := map[string][]byte{}
	for name, c := range unchangedPods() {
		c.pod.Name, c.pod.UID, c.pod.Namespace, c.pod.Annotations = name, name+"-uid", "ci", annotations
		p, err := n.RunPod(t.Context(), c.pod)
		if err != nil {
			t.Fatal(err)
		}
		container, err := p.RunContainer(t.Context(), c.container)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(n.Bundle(container.ID), "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := p.Pid()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		specs[name] = withoutIDs(t, text, p.ID, container.ID, pid)
	}
	return specs
}

// withoutIDs replaces the ids in every string of the spec.
func withoutIDs(t *testing.T, text []byte, pod, container string, pid int) []byte {
	t.Helper()
	var spec any
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	sandbox, _ := json.Marshal(pid)
	r := strings.NewReplacer(pod, "POD", container, "CONTAINER", "/proc/"+string(sandbox)+"/", "/proc/PID/")
	out, err := json.MarshalIndent(replaced(spec, r), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func replaced(v any, r *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return r.Replace(v)
	case []any:
		for i := range v {
			v[i] = replaced(v[i], r)
		}
	case map[string]any:
		for key := range v {
			v[key] = replaced(v[key], r)
		}
	}
	return v
}

// An agent that has nothing to give changes nothing, to the last byte; so does one that
// only audits, whatever it would have done.
func TestUnchanged(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	asks := it.AskFor("fuse,ping,no-mknod")
	plain, asking := specsOf(t, n, nil), specsOf(t, n, asks) // without an agent
	for _, tc := range []struct {
		name, policy string
		annotations  map[string]string
		logged       []string
	}{
		{"empty-policy", "", nil, nil},
		{"not-asked-and-elsewhere", it.GrantApart("fuse", "ping") + "[[grants]]\nnamespaces = [\"locked\"]\nprofiles = [\"no-mknod\"]\napply = \"always\"\n", nil, nil},
		{"audit", "mode = \"audit\"\n" + it.GrantApart("fuse", "ping", "no-mknod"), asks,
			[]string{`msg="container would be adjusted" audit=true`, `pod=userns profiles="[fuse ping no-mknod]"`}},
		{"audit-refusals", "mode = \"audit\"\n", asks,
			[]string{`asks for profile \"fuse\", which is not granted in namespace \"ci\" (granted there: nothing) [not_granted]`, `audit=true container=main`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			without := plain
			if tc.annotations != nil {
				without = asking
			}
			g, agent := it.StartAgent(t, n, tc.policy)
			with := specsOf(t, n, tc.annotations)
			for name := range without {
				if !bytes.Equal(without[name], with[name]) {
					t.Errorf("%s: without the agent\n%s\nwith it\n%s", name, without[name], with[name])
				}
			}
			for _, text := range tc.logged {
				if !strings.Contains(agent.Log(), text) {
					t.Errorf("the log does not say %s", text)
				}
			}
			if left := g.Left(); len(left) > 0 {
				t.Errorf("made for nothing: %q", left)
			}
		})
	}
	// The comparison sees a change where there is one.
	it.StartAgent(t, n, it.GrantApart("no-mknod"))
	c := it.Run(t, n, node.PodConfig{Namespace: "ci", Annotations: it.AskFor("no-mknod")}, node.ContainerConfig{})
	if it.SpecOf(t, c).Linux.Seccomp == nil {
		t.Error("no-mknod changed nothing")
	}
}
