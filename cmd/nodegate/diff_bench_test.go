// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cluster writes n pods as kubectl get pods -A -o yaml does, in 50 namespaces. Every fifth
// one asks for a profile.
func cluster(n int) string {
	var out strings.Builder
	out.WriteString("apiVersion: v1\nitems:\n")
	for i := range n {
		asks := ""
		if i%5 == 0 {
			asks = "\n    annotations:\n      profiles.nodegate.dev: ping"
		}
		fmt.Fprintf(&out, clusterPod, asks, i, i%50, i)
	}
	out.WriteString("kind: List\nmetadata:\n  resourceVersion: \"\"\n")
	return out.String()
}

const clusterPod = `- apiVersion: v1
  kind: Pod
  metadata:%s
    creationTimestamp: "2026-03-02T09:14:07Z"
    generateName: web-7d5c9-
    labels:
      app: web
      pod-template-hash: 7d5c9
    name: web-7d5c9-%d
    namespace: team-%d
    ownerReferences:
    - apiVersion: apps/v1
      controller: true
      kind: ReplicaSet
      name: web-7d5c9
      uid: 0b4a1c1e-0000-4000-8000-000000000000
    resourceVersion: "12345"
    uid: 0b4a1c1e-0000-4000-8000-%012d
  spec:
    containers:
    - env:
      - name: LEVEL
        value: info
      image: docker.io/library/web:1.2
      imagePullPolicy: IfNotPresent
      name: app
      ports:
      - containerPort: 8080
        protocol: TCP
      resources:
        limits:
          cpu: "1"
          memory: 1Gi
      securityContext:
        allowPrivilegeEscalation: false
        runAsUser: 1000
      volumeMounts:
      - mountPath: /var/run/secrets/kubernetes.io/serviceaccount
        name: kube-api-access
        readOnly: true
    nodeName: node-1
    restartPolicy: Always
    serviceAccountName: default
    tolerations:
    - effect: NoExecute
      key: node.kubernetes.io/not-ready
      operator: Exists
      tolerationSeconds: 300
    volumes:
    - name: kube-api-access
      projected:
        defaultMode: 420
  status:
    conditions:
    - lastTransitionTime: "2026-03-02T09:14:07Z"
      status: "True"
      type: Ready
    phase: Running
    podIP: 10.0.0.1
`

// runDiff compares two policies of which the new one leaves out namespace team-5 and adds
// a sysctl elsewhere.
func runDiff(t testing.TB, pods string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"old.toml": `namespaces = ["team-*"]
profiles = ["ping"]`,
		"new.toml": `namespaces = ["team-[0-46-9]", "team-[1-4][0-9]"]
profiles = ["ping"]
[[grants]]
namespaces = ["team-10"]
profiles = ["fuse"]
apply = "always"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("version = 1\n[[grants]]\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := rootCommand()
	var out, said bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&said)
	cmd.SetIn(strings.NewReader(pods))
	cmd.SetArgs([]string{"diff", filepath.Join(dir, "old.toml"), filepath.Join(dir, "new.toml"), "--pods", "-",
		"--runtime", "containerd/2.4.2", "--assume-device", "/dev/fuse", "-o", "json"})
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// Every pod of a cluster is in exactly one of the counts.
func TestDiffOfCluster(t *testing.T) {
	out, err := runDiff(t, cluster(1000))
	var difference *differenceError
	if !errors.As(err, &difference) || difference.code != exitRefuses {
		t.Fatalf("%v, want exit code %d", err, exitRefuses)
	}
	var got diffReport
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if want := (diffCounts{Pods: 1000, NewlyRefused: 20, Changed: 20, Unchanged: 960}); got.Counts != want {
		t.Errorf("%+v, want %+v", got.Counts, want)
	}
	if len(got.Containers) != 40 {
		t.Errorf("%d containers change, want 40", len(got.Containers))
	}
}

// BenchmarkDiff is of a cluster with 10,000 pods, from their YAML to the report.
func BenchmarkDiff(b *testing.B) {
	pods := cluster(10_000)
	b.SetBytes(int64(len(pods)))
	for b.Loop() {
		if _, err := runDiff(b, pods); exitCode(err) != exitRefuses {
			b.Fatal(err)
		}
	}
}
