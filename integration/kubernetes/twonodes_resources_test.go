// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/integration/cluster"
)

// pending waits for the scheduler to say that no node has a unit to give.
func (k twoNodes) pending(pod, profile string) {
	k.Helper()
	k.eventually(pod+" to be pending", func() error {
		text := k.events("ci", "involvedObject.name="+pod)
		if !strings.Contains(text, "2 Insufficient nodegate.dev/"+profile) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}

// offers waits until Kubernetes knows how many units a node has to give: until then it may
// choose a node that has none any more, whose kubelet refuses the pod for good.
func (k twoNodes) offers(n *cluster.Node, profile, want string) {
	k.Helper()
	k.eventually(n.Name+" to offer "+want+" of "+profile, func() error {
		if have := k.get("get", "node", n.Name, "-o", `jsonpath={.status.allocatable.nodegate\.dev/`+profile+`}`); have != want {
			return fmt.Errorf("there are %q", have)
		}
		return nil
	})
}

// A pod goes to the node that has the device, and waits while none has it.
func scheduled(k twoNodes) {
	for _, pod := range []string{"one", "two", "three"} {
		k.apply(with("ci", pod, "kvm", "hostUsers: false"))
		k.opens(pod, k.first, "/dev/kvm")
	}
	k.on(k.first, "mv", "/dev/kvm", "/dev/kvm-away")
	for _, n := range k.Nodes {
		k.says(n, `nodegate.dev/kvm: 0 of 110 units can be had: would get profile "kvm", but this node has no device "/dev/kvm"`)
	}
	k.offers(k.first, "kvm", "0")
	k.apply(with("ci", "waits", "kvm", "hostUsers: false"))
	k.pending("waits", "kvm")
	k.on(k.first, "mv", "/dev/kvm-away", "/dev/kvm")
	k.opens("waits", k.first, "/dev/kvm")
}

// Each of two pods gets a device, wherever that is, and a third one waits for one of them.
func exclusiveOfTwo(k twoNodes) {
	devices := map[string]string{k.first.Name: `"major":1,"minor":3`, k.second.Name: `"major":1,"minor":5`}
	var nodes []string
	for _, pod := range []string{"one", "two"} {
		k.apply(with("ci", pod, "unit", "hostUsers: false"))
		k.ready("ci", pod)
		is := k.nodeOf(pod)
		nodes = append(nodes, is)
		if got := k.probe("ci", pod, "stat /dev/unit"); !strings.Contains(got, devices[is]) {
			k.Errorf("%s on %s has %s", pod, is, got)
		}
		if got := k.probe("ci", pod, "open /dev/unit rw"); got != "ok" {
			k.Errorf("%s on %s: open /dev/unit: %s", pod, is, got)
		}
	}
	if nodes[0] == nodes[1] {
		k.Errorf("both are on %s", nodes[0])
	}
	k.apply(with("ci", "third", "unit", "hostUsers: false"))
	k.pending("third", "unit")
	k.do("-n", "ci", "delete", "pod", "one", "--wait=true")
	k.ready("ci", "third")
	if is := k.nodeOf("third"); is != nodes[0] {
		k.Errorf("third is on %s, and the device that was given back on %s", is, nodes[0])
	}
}
