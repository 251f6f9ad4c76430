// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
)

// twoNodes is a cluster whose nodes both have the chart, with profiles as resources. The
// first has /dev/kvm and /dev/unit0, the second /dev/unit1 alone.
type twoNodes struct {
	*kube
	first, second *cluster.Node
}

// The chart on two nodes that are not alike, and do not always run.
func TestTwoNodes(t *testing.T) {
	needDevices(t)
	k := ownWith(t, cluster.Options{Nodes: 2})
	two := twoNodes{k, k.Nodes[0], k.Nodes[1]}
	two.on(two.first, "mknod", "-m", "0666", "/dev/unit0", "c", "1", "3")
	two.on(two.second, "mknod", "-m", "0666", "/dev/unit1", "c", "1", "5")
	two.on(two.second, "rm", "/dev/kvm")
	k.do("label", "nodes", "--all", "agent=yes")
	k.install("--set", "nri.runtime.patchConfig=true", "--set", "deviceResources.enabled=true,nodeSelector.agent=yes", "--set-file", "policy=testdata/twonodes.toml")
	k.namespace("ci")
	k.namespace("free")
	for _, step := range []struct {
		name string
		run  func(twoNodes)
	}{
		{"missing device", missingDevice}, {"kubectl nodegate", kubectlNodegate}, {"scheduled", scheduled}, {"exclusive", exclusiveOfTwo},
		{"absent agent", absentOnOne}, {"rolling update", rollingOverTwo}, {"drain", drained}, {"reboot", rebooted},
	} {
		ran := t.Run(step.name, func(t *testing.T) {
			k := &kube{T: t, Cluster: k.Cluster, own: true}
			step.run(twoNodes{k, two.first, two.second})
			k.do("delete", "pods", "--all", "-n", "ci", "--wait=true", "--timeout=60s")
		})
		if !ran {
			break
		}
	}
}

// on runs a program on a node.
func (k twoNodes) on(n *cluster.Node, program string, args ...string) {
	k.Helper()
	if out, err := n.Command(program, args...).CombinedOutput(); err != nil {
		k.Fatalf("%s %q: %v: %s", program, args, err, out)
	}
}

// pinned is a part of a pod's spec: it runs on that node, which the scheduler is asked for.
func pinned(n *cluster.Node) string {
	return "hostUsers: false\n  nodeSelector: {kubernetes.io/hostname: " + n.Name + "}"
}

// agentOn is the node's agent, or nothing.
func (k twoNodes) agentOn(n *cluster.Node) string {
	k.Helper()
	for _, p := range k.agents() {
		if p.Spec.NodeName == n.Name {
			return p.Metadata.Name
		}
	}
	return ""
}

// says waits for the status of a node's agent to have a text in it.
func (k twoNodes) says(n *cluster.Node, want string) {
	k.Helper()
	k.eventually("the agent of "+n.Name+" to say: "+want, func() error {
		status := k.get("-n", namespace, "exec", k.agentOn(n), "-c", "agent", "--", "/usr/bin/nodegate", "status")
		if !strings.Contains(status, want) {
			return fmt.Errorf("%s", status)
		}
		return nil
	})
}

// opens says what opening a device gives in a pod that becomes ready on a node.
func (k twoNodes) opens(pod string, n *cluster.Node, device string) {
	k.Helper()
	k.ready("ci", pod)
	if is := k.nodeOf(pod); is != n.Name {
		k.Errorf("%s is on %s, not on %s", pod, is, n.Name)
	}
	if got := k.probe("ci", pod, "open "+device+" rw"); got != "ok" {
		k.Errorf("%s on %s: open %s: %s", pod, n.Name, device, got)
	}
}

func (k twoNodes) nodeOf(pod string) string {
	k.Helper()
	return k.do("-n", "ci", "get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")
}

// What a node lacks its agent says, and refuses to the pod that asks for it there.
func missingDevice(k twoNodes) {
	k.says(k.first, "nodegate.dev/kvm: 110 of 110 units can be had\n")
	k.says(k.second, `nodegate.dev/kvm: 0 of 110 units can be had: would get profile "kvm", but this node has no device "/dev/kvm"`)
	k.says(k.first, "nodegate.dev/mknod: 1 of 1 units can be had") // by the wrapper, which is installed
	for _, n := range k.Nodes {
		k.apply(manifest("ci", "on-"+n.Name, "profiles.nodegate.dev: kvm", pinned(n)))
	}
	k.opens("on-"+k.first.Name, k.first, "/dev/kvm")
	if got := k.refused("ci", "on-"+k.second.Name); !strings.Contains(got, `this node has no device "/dev/kvm"`) {
		k.Errorf("refused with %s", got)
	}
}

// While one node has no agent, pods of granted namespaces do not start there, nor does
// what asks for a resource; others do, and so does everything on the other node.
func absentOnOne(k twoNodes) {
	k.do("label", "node", k.second.Name, "agent-")
	k.eventually("the agent to be away", func() error {
		if text := k.get("-n", namespace, "get", "pods", "-o", "wide"); strings.Contains(text, k.second.Name+" ") {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	k.needsSomebody(k.second, "NoAgent")
	k.offers(k.second, "unit", "0")
	k.apply(manifest("ci", "asks", "profiles.nodegate.dev: fuse", pinned(k.second)))
	k.apply(manifest("ci", "silent", "", pinned(k.second)))
	k.apply(with("ci", "counted", "unit", pinned(k.second)))
	k.apply(manifest("ci", "elsewhere", "profiles.nodegate.dev: fuse", pinned(k.first)))
	k.apply(manifest("free", "other", "", pinned(k.second)))
	k.ready("free", "other")
	k.opens("elsewhere", k.first, "/dev/fuse")
	for pod, want := range map[string]string{"asks": `required plugin "nodegate" not present`, "silent": `required plugin "nodegate" not present`, "counted": "Insufficient nodegate.dev/unit"} {
		k.eventually("a reason why "+pod+" does not start", func() error {
			if text := k.events("ci", "involvedObject.name="+pod); !strings.Contains(text, want) {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
	}
	k.do("label", "node", k.second.Name, "agent=yes")
	k.rollout()
	k.opens("asks", k.second, "/dev/fuse")
	k.opens("counted", k.second, "/dev/unit")
	k.ready("ci", "silent")
	k.do("-n", "free", "delete", "pod", "other")
}

// Of the pods that start on both nodes meanwhile each gets what it asks for.
func rollingOverTwo(k twoNodes) {
	old := k.agents()
	var wg sync.WaitGroup
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.upgrade("--set", "podAnnotations.update=one", "--wait", "--timeout=3m")
	}()
	slots := make(chan struct{}, rollingAtOnce)
	said := make([]string, rollingPods/2)
	for i := range said {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			said[i] = k.startOne(fmt.Sprint("rolling-", i), pinned(k.Nodes[i%2]))
		})
	}
	wg.Wait()
	<-done
	if wrong := slices.DeleteFunc(said, func(s string) bool { return s == "ok" }); len(wrong) > 0 {
		k.Errorf("of %d pods these run without what they ask for:\n%s", rollingPods/2, strings.Join(wrong, "\n"))
	}
	for _, n := range k.Nodes {
		is := k.agentOn(n)
		if slices.ContainsFunc(old, func(p pod) bool { return p.Metadata.Name == is }) {
			k.Errorf("%s was not replaced", is)
		}
		k.says(n, "and 0 outdated")
	}
}
