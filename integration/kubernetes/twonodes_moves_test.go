// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"path"
	"slices"

	"github.com/nodegate/nodegate/integration/cluster"
)

// deployment is one of pods that ask for something, as many on each node that
// takes pods.
func deployment(name string, replicas int, annotations, spec, limits string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {namespace: ci, name: %[1]s}
spec:
  replicas: %[2]d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata:
      labels: {app: %[1]s}
      annotations: {%[3]s}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor, labelSelector: {matchLabels: {app: %[1]s}}}
      %[4]s
      containers:
      - {name: app, image: "%[5]s", imagePullPolicy: Never, resources: {limits: {%[6]s}}}
`, name, replicas, annotations, spec, probe, limits)
}

// working waits until the pods of a deployment run on these nodes, and looks whether each
// can open a device.
func (k twoNodes) working(deployment, device string, want ...string) {
	k.Helper()
	var pods []pod
	k.eventually(fmt.Sprintf("%s to run on %q", deployment, want), func() error {
		var nodes []string
		pods = slices.DeleteFunc(k.pods("ci", "app="+deployment), func(p pod) bool {
			return len(p.Status.ContainerStatuses) == 0 || !p.Status.ContainerStatuses[0].Ready
		})
		for _, p := range pods {
			nodes = append(nodes, p.Spec.NodeName)
		}
		if slices.Sort(nodes); !slices.Equal(nodes, want) {
			return fmt.Errorf("they run on %q: %s", nodes, k.get("-n", "ci", "get", "pods", "-o", "wide"))
		}
		return nil
	})
	for _, p := range pods {
		if got := k.probe("ci", p.Metadata.Name, "open "+device+" rw"); got != "ok" {
			k.Errorf("%s on %s: open %s: %s", p.Metadata.Name, p.Spec.NodeName, device, got)
		}
	}
}

// A node that is drained keeps its agent, and its pods are adjusted elsewhere; once it is
// back they are so there.
func drained(k twoNodes) {
	first, second := k.first.Name, k.second.Name
	k.apply(deployment("workers", 2, "profiles.nodegate.dev: fuse", "hostUsers: false", ""))
	k.working("workers", "/dev/fuse", first, second)
	if kept := k.kept(k.second); len(kept) < 2 {
		k.Errorf("for a worker the agent keeps %q", kept)
	}
	agent := k.agentOn(k.second)
	k.do("drain", second, "--ignore-daemonsets", "--timeout=80s")
	k.working("workers", "/dev/fuse", first, first)
	if is := k.agentOn(k.second); is != agent {
		k.Errorf("the agent of the drained node is %q, and was %q", is, agent)
	}
	k.nothingKept(k.second)
	k.do("uncordon", second)
	k.do("-n", "ci", "delete", "pods", "--all", "--wait=true", "--timeout=60s")
	k.working("workers", "/dev/fuse", first, second)
	k.do("-n", "ci", "delete", "deployment", "workers", "--wait=true")
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
	k.apply(deployment("counted", 1, "", "nodeSelector: {kubernetes.io/hostname: "+k.second.Name+"}", "nodegate.dev/unit: 1"))
	k.opens("stays", k.second, "/dev/fuse")
	k.working("counted", "/dev/unit", k.second.Name)
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
	k.working("counted", "/dev/unit", k.second.Name)
	k.says(k.second, "and 0 outdated")
	k.Logf("given up: %d", len(k.pods("ci", "app=counted"))-1)
	k.do("-n", "ci", "delete", "deployment", "counted", "--wait=true")
	k.do("-n", "ci", "delete", "pods", "--all", "--wait=true", "--timeout=60s")
	k.nothingKept(k.second)
}
