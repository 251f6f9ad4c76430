// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"path"

	"github.com/nodegate/nodegate/integration/cluster"
)

// deployment is of one pod that asks for something, on this node if it takes pods.
func deployment(name string, n *cluster.Node, annotations, spec, limits string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {namespace: ci, name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata:
      labels: {app: %[1]s}
      annotations: {%[3]s}
    spec:
      terminationGracePeriodSeconds: 0
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 100, preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[2]s]}]}}
      %[4]s
      containers:
      - {name: app, image: "%[5]s", imagePullPolicy: Never, resources: {limits: {%[6]s}}}
`, name, n.Name, annotations, spec, probe, limits)
}

// working waits until the pod of a deployment runs on a node, and looks whether it can
// open a device.
func (k twoNodes) working(deployment, device string, n *cluster.Node) {
	k.Helper()
	var is pod
	k.eventually(deployment+" to run on "+n.Name, func() error {
		for _, is = range k.pods("ci", "app="+deployment) {
			if len(is.Status.ContainerStatuses) > 0 && is.Status.ContainerStatuses[0].Ready && is.Spec.NodeName == n.Name {
				return nil
			}
		}
		return fmt.Errorf("%s", k.get("-n", "ci", "get", "pods", "-o", "wide"))
	})
	if got := k.probe("ci", is.Metadata.Name, "open "+device+" rw"); got != "ok" {
		k.Errorf("%s on %s: open %s: %s", is.Metadata.Name, n.Name, device, got)
	}
}

// A node that is drained keeps its agent, and its pods are adjusted elsewhere; once it is
// back they are so there.
func drained(k twoNodes) {
	k.apply(deployment("worker", k.second, "profiles.nodegate.dev: fuse", "hostUsers: false", ""))
	k.working("worker", "/dev/fuse", k.second)
	if kept := k.kept(k.second); len(kept) < 2 {
		k.Errorf("for a worker the agent keeps %q", kept)
	}
	agent := k.agentOn(k.second)
	k.do("drain", k.second.Name, "--ignore-daemonsets", "--timeout=80s")
	k.working("worker", "/dev/fuse", k.first)
	if is := k.agentOn(k.second); is != agent {
		k.Errorf("the agent of the drained node is %q, and was %q", is, agent)
	}
	k.nothingKept(k.second)
	k.do("uncordon", k.second.Name)
	k.eventually("the node to take pods", func() error {
		if taints := k.get("get", "node", k.second.Name, "-o", "jsonpath={.spec.taints}"); taints != "" {
			return fmt.Errorf("it has the taints %s", taints)
		}
		return nil
	})
	k.do("-n", "ci", "delete", "pods", "--all", "--wait=true", "--timeout=60s")
	k.working("worker", "/dev/fuse", k.second)
	k.do("-n", "ci", "delete", "deployment", "worker", "--wait=true")
}

// kept is what the agent keeps of containers on a node.
func (k twoNodes) kept(n *cluster.Node) (names []string) {
	k.Helper()
	l, err := n.Listing()
	if err != nil {
		k.Fatal(err)
	}
	for name := range l {
		if dir := path.Dir(name); dir == "/dev/.udev/nodegate" || dir == "/run/nodegate/decisions" {
			names = append(names, name)
		}
	}
	return names
}

// nothingKept waits until the agent keeps nothing on a node.
func (k twoNodes) nothingKept(n *cluster.Node) {
	k.Helper()
	k.eventually("nothing to be left on "+n.Name, func() error {
		if kept := k.kept(n); len(kept) > 0 {
			return fmt.Errorf("there is %q", kept)
		}
		return nil
	})
}

// A node that starts again adjusts the pods that ran on it, from the first one on. Pods
// with a resource the kubelet gives up then, and their controllers make others.
func rebooted(k twoNodes) {
	k.apply(manifest("ci", "stays", "profiles.nodegate.dev: fuse", pinned(k.second)))
	k.apply(deployment("counted", k.second, "", "nodeSelector: {kubernetes.io/hostname: "+k.second.Name+"}", "nodegate.dev/unit: 1"))
	k.opens("stays", k.second, "/dev/fuse")
	k.working("counted", "/dev/unit", k.second)
	was := k.pods("ci", "app=counted")[0].Metadata.Name
	if err := k.Reboot(k.Context(), k.second); err != nil {
		k.Fatal(err)
	}
	k.eventually("the pod to run again", func() error {
		if n := k.get("-n", "ci", "get", "pod", "stays", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"); n == "0" {
			return fmt.Errorf("restarts: %s", n)
		}
		return nil
	})
	k.opens("stays", k.second, "/dev/fuse")
	k.eventually("the pod with a unit to be given up", func() error {
		if reason := k.get("-n", "ci", "get", "pod", was, "-o", "jsonpath={.status.reason}"); reason != "UnexpectedAdmissionError" {
			return fmt.Errorf("%s", reason)
		}
		return nil
	})
	k.rollout()
	k.on(k.second, "mknod", "-m", "0666", "/dev/unit1", "c", "1", "5") // as udev does on a real one
	k.working("counted", "/dev/unit", k.second)
	k.says(k.second, "and 0 outdated")
	k.Logf("given up: %d", len(k.pods("ci", "app=counted"))-1)
	k.do("-n", "ci", "delete", "deployment", "counted", "--wait=true")
	k.do("-n", "ci", "delete", "pods", "--all", "--wait=true", "--timeout=60s")
	k.nothingKept(k.second)
}
