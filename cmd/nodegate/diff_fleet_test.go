// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// workload is a kind of pod as charts have it, cut to what matters here, and how many of
// them a node has.
type workload struct {
	name, namespace string
	perNode         int
	annotations     string
	spec            string
}

// workloads are those of a node with 30 pods: most of them ask for nothing.
var workloads = []workload{
	{"web", "shop", 12, "", plainSpec},
	{"api", "shop", 5, "", plainSpec + "\n    - image: docker.io/library/envoy:1\n      name: proxy\n    initContainers:\n    - image: docker.io/library/web:1\n      name: migrate"},
	{"postgres", "data", 2, "", plainSpec + "\n      volumeMounts:\n      - mountPath: /data\n        name: data\n    volumes:\n    - name: data\n      persistentVolumeClaim:\n        claimName: data"},
	{"node-exporter", "monitoring", 1, "", plainSpec + "\n    hostNetwork: true\n    hostPID: true"},
	{"blackbox", "monitoring", 1, "profiles.nodegate.dev: ping", plainSpec},
	{"cni", "kube-system", 1, "", plainSpec + "\n      securityContext:\n        privileged: true\n    hostNetwork: true"},
	{"kube-proxy", "kube-system", 1, "", plainSpec + "\n      securityContext:\n        privileged: true\n    hostNetwork: true"},
	{"runner", "ci", 3, "profiles.nodegate.dev: fuse, no-mknod", plainSpec + "\n    hostUsers: false"},
	{"builder", "builds", 1, "profiles.nodegate.dev: nested", plainSpec + "\n    hostUsers: false\n    runtimeClassName: nodegate"},
	{"vm", "vms", 1, "profiles.nodegate.dev: kvm", plainSpec},
	{"vpn", "vpn", 1, "profiles.nodegate.dev: tun, ping", plainSpec + "\n    hostUsers: false"},
	{"injected", "moved", 1, `devices.noderesource.dev/container.app: "- {path: /dev/fuse, type: c, major: 10, minor: 229}"`, plainSpec + "\n    hostUsers: false"},
}

const plainSpec = `
    containers:
    - env:
      - name: LEVEL
        value: info
      image: docker.io/library/web:1
      name: app
      resources:
        limits:
          memory: 1Gi`

const fleetOldPolicy = `version = 1
[[grants]]
namespaces = ["ci"]
profiles = ["fuse"]
[[grants]]
namespaces = ["ci"]
profiles = ["no-mknod"]
[[grants]]
namespaces = ["monitoring", "vpn"]
profiles = ["ping"]
[[grants]]
namespaces = ["vpn"]
profiles = ["tun"]
[[grants]]
namespaces = ["vms"]
profiles = ["kvm"]
[[grants]]
namespaces = ["builds"]
profiles = ["nested"]
[[grants]]
namespaces = ["moved"]
profiles = ["fuse"]
accept = ["devices.noderesource.dev"]
`

// The new one takes kvm away from vms, and denies mknod to data.
var fleetNewPolicy = strings.Replace(fleetOldPolicy, `["vms"]`, `["other"]`, 1) + `[[grants]]
namespaces = ["data"]
profiles = ["no-mknod"]
apply = "always"
`

// fleetPods writes the pods of so many nodes as kubectl get pods -A -o yaml does.
func fleetPods(nodes int) []byte {
	var out bytes.Buffer
	out.WriteString("apiVersion: v1\nitems:\n")
	for node := range nodes {
		for _, w := range workloads {
			annotations := ""
			if w.annotations != "" {
				annotations = "\n    annotations:\n      " + w.annotations
			}
			for i := range w.perNode {
				fmt.Fprintf(&out, "- apiVersion: v1\n  kind: Pod\n  metadata:%s\n    labels:\n      app: %s\n    name: %s-%d-%d\n    namespace: %s\n  spec:%s\n    nodeName: node-%d\n  status:\n    phase: Running\n",
					annotations, w.name, w.name, node, i, w.namespace, w.spec, node)
			}
		}
	}
	out.WriteString("kind: List\nmetadata:\n  resourceVersion: \"\"\n")
	return out.Bytes()
}

// runFleetDiff compares for the pods of so many nodes, and checks that each of them is
// decided about and that what differs is what differs in the policies.
func runFleetDiff(t testing.TB, pods []byte, nodes int) {
	t.Helper()
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "old.toml"), filepath.Join(dir, "new.toml")}
	for i, text := range []string{fleetOldPolicy, fleetNewPolicy} {
		if err := os.WriteFile(paths[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := rootCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetIn(bytes.NewReader(pods))
	args := []string{"diff", paths[0], paths[1], "--pods", "-", "--runtime", "containerd/2.4.2", "-o", "json"}
	for _, device := range []string{"/dev/fuse", "/dev/kvm", "/dev/net/tun"} {
		args = append(args, "--assume-device", device)
	}
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(t.Context()); exitCode(err) != exitRefuses {
		t.Fatal(err)
	}
	var got diffReport
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	// Of a node: one vm refused, two databases changed, and api has three containers.
	if want := (diffCounts{Pods: 30 * nodes, NewlyRefused: nodes, Changed: 2 * nodes, Unchanged: (30 + 2*5 - 3) * nodes}); got.Counts != want {
		t.Fatalf("%+v, want %+v", got.Counts, want)
	}
	var namespaces []string
	for i := range got.Containers {
		namespaces = append(namespaces, got.Containers[i].Namespace)
	}
	if namespaces = slices.Compact(namespaces); !slices.Equal(namespaces, []string{"data", "vms"}) {
		t.Errorf("changes in %v", namespaces)
	}
}

// The decisions about the pods of 20 nodes, by the old policy and the new one.
func TestDiffOfFleet(t *testing.T) { runFleetDiff(t, fleetPods(20), 20) }

// BenchmarkDiffFleet decides about the pods of 5,000 nodes by two policies, and reports
// the memory at its highest, with the pods' text in it.
func BenchmarkDiffFleet(b *testing.B) {
	const nodes = 5000
	pods := fleetPods(nodes)
	b.SetBytes(int64(len(pods)))
	var most atomic.Uint64
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if is := m.HeapAlloc; is > most.Load() {
				most.Store(is)
			}
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	for b.Loop() {
		runFleetDiff(b, pods, nodes)
	}
	close(done)
	<-stopped
	b.ReportMetric(float64(30*nodes*b.N)/b.Elapsed().Seconds(), "pods/s")
	b.ReportMetric(float64(most.Load())/(1<<20), "MiB-heap")
}
