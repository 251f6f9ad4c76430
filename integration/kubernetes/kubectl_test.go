// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
)

// What kubectl nodegate says of two nodes that are not alike is so.
func TestKubectlNodegate(t *testing.T) {
	k := ownWith(t, cluster.Options{Nodes: 2})
	if out, err := k.Nodes[1].Command("rm", "/dev/kvm").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	k.do("label", "nodes", "--all", "agent=yes")
	k.install("--set", "nri.runtime.patchConfig=true", "--set", "nodeSelector.agent=yes", "--set-file", "policy=testdata/kubectl.toml")
	k.namespace("ci")
	k.namespace("every")
	for _, step := range []struct {
		name string
		run  func(*kube)
	}{{"status", fleetStatus}, {"rights", fleetRights}, {"refusals and explain", fleetExplains}, {"diff", fleetDiffers}, {"without an agent", fleetWithout}} {
		if !t.Run(step.name, func(t *testing.T) { step.run(&kube{T: t, Cluster: k.Cluster, own: true}) }) {
			break
		}
	}
}

// nodegate runs the plugin, as kubectl finds it, and reads its JSON.
func (k *kube) nodegate(out any, args ...string) error {
	k.Helper()
	text, err := k.Kubectl(k.Context(), slices.Concat([]string{"nodegate"}, args, []string{"-o", "json"})...)
	if bad := json.Unmarshal([]byte(text), out); bad != nil {
		k.Fatalf("%v, %v: %s", args, err, text)
	}
	return err
}

type fleetStatuses struct {
	Nodes []struct {
		Node, Status, Why string
		Says              struct {
			Version string
			Policy  struct{ Hash string }
		}
	}
}

func (k *kube) statuses() (s fleetStatuses) {
	k.Helper()
	if err := k.nodegate(&s, "status"); err != nil {
		k.Fatal(err)
	}
	return s
}

func fleetStatus(k *kube) {
	all := k.statuses().Nodes
	if len(all) != 2 || all[0].Status != "Ready" || all[1].Status != "Ready" || all[0].Says.Policy.Hash != all[1].Says.Policy.Hash {
		k.Fatalf("%+v", all)
	}
	out := k.do("nodegate", "status")
	k.Logf("kubectl nodegate status\n%s", out)
	for _, want := range []string{"NODE", k.Nodes[0].Name + " ", k.Nodes[1].Name + " ", all[0].Says.Version, all[0].Says.Policy.Hash} {
		if !strings.Contains(out, want) {
			k.Errorf("no %q in\n%s", want, out)
		}
	}
}

// A right that is missing is named, and with the rule that is named it works.
func fleetRights(k *kube) {
	k.do("create", "clusterrole", "looks", "--verb=list", "--resource=nodes,pods")
	k.do("create", "clusterrolebinding", "looks", "--clusterrole=looks", "--user=eve")
	ask := func() error {
		_, err := k.Kubectl(k.Context(), "nodegate", "status", "--as", "eve")
		return err
	}
	k.eventually("the right that is missing", func() error {
		err := ask()
		const want = `{apiGroups: [""], resources: [pods/exec], verbs: [get, create]}`
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "2 of 2 agents did not answer") {
			return fmt.Errorf("%w, want %s", err, want)
		}
		return nil
	})
	k.do("-n", namespace, "create", "role", "asks", "--verb=get,create", "--resource=pods/exec")
	k.do("-n", namespace, "create", "rolebinding", "asks", "--role=asks", "--user=eve")
	k.eventually("an answer", ask)
}

// on is a part of a pod's spec: it runs on that node.
func on(n *cluster.Node) string {
	return "hostUsers: false\n  nodeSelector: {kubernetes.io/hostname: " + n.Name + "}"
}

// fleetPods are the pods of the tests below, by name.
func fleetPods(k *kube) map[string]string {
	return map[string]string{
		"fuse":   manifest("ci", "fuse", "profiles.nodegate.dev: fuse", on(k.Nodes[1])),
		"kvm":    manifest("ci", "kvm", "profiles.nodegate.dev: kvm", on(k.Nodes[0])),
		"no-kvm": manifest("ci", "no-kvm", "profiles.nodegate.dev: kvm", on(k.Nodes[1])),
		"ping":   manifest("ci", "ping", "profiles.nodegate.dev: ping", on(k.Nodes[0])),
		"plain":  manifest("every", "plain", "a: b", on(k.Nodes[0])),
	}
}

func fleetExplains(k *kube) {
	for _, text := range fleetPods(k) {
		k.apply(text)
	}
	k.ready("ci", "fuse")
	k.ready("ci", "kvm")
	k.ready("every", "plain")
	for _, pod := range []string{"no-kvm", "ping"} {
		sentence := k.refused("ci", pod)
		var list struct {
			Refusals []struct{ Pod, Node, Code, Text string }
		}
		if err := k.nodegate(&list, "refusals", "-n", "ci"); err != nil {
			k.Error(err)
		}
		found := false
		for _, r := range list.Refusals {
			found = found || r.Pod == pod && "nodegate: "+r.Text+" ["+r.Code+"]" == sentence
		}
		if !found {
			k.Errorf("no %s in %+v", sentence, list)
		}
		if out := k.do("nodegate", "explain", "pod/"+pod, "-n", "ci"); !strings.Contains(out, strings.TrimPrefix(sentence, "nodegate: ")) {
			k.Errorf("no %s in\n%s", sentence, out)
		}
	}
	// The devices and the runtime are those of the pod's node.
	for pod, want := range map[string][]string{
		"fuse": {"node " + k.Nodes[1].Name + ", where pod fuse is\n", "containerd 2.4.2, ", `"app": adjusted, gets fuse`},
		"kvm":  {"node " + k.Nodes[0].Name + ", where pod kvm is\n", `"app": adjusted, gets kvm`, "/dev/kvm"},
	} {
		out := k.do("nodegate", "explain", "pod/"+pod, "-n", "ci")
		for _, w := range want {
			if !strings.Contains(out, w) {
				k.Errorf("%s: no %q in\n%s", pod, w, out)
			}
		}
	}
	file := filepath.Join(k.TempDir(), "pod.yaml")
	write(k.T, file, fleetPods(k)["kvm"])
	if out := k.do("nodegate", "explain", "-f", file, "--node", k.Nodes[1].Name); !strings.Contains(out, `this node has no device "/dev/kvm"`) {
		k.Errorf("on the other node\n%s", out)
	}
}

type fleetDelta struct {
	New        string
	Counts     struct{ NewlyRefused, NoLongerRefused, Changed, RefusedByBoth int }
	Containers []struct {
		Pod, Result string
		Refusal     struct{ Code, Text string }
	}
}

// What is said of a new policy before it is applied is what the agents then do.
func fleetDiffers(k *kube) {
	const policy = "testdata/kubectl-new.toml"
	var d fleetDelta
	err := k.nodegate(&d, "diff", "-f", policy)
	if err == nil || !strings.Contains(err.Error(), "exit status 4") {
		k.Errorf("ends with %v", err)
	}
	got := map[string]string{}
	for _, c := range d.Containers {
		got[c.Pod] = c.Result
	}
	if want := "map[fuse:newly_refused ping:no_longer_refused plain:changed]"; fmt.Sprint(got) != want || d.Counts.RefusedByBoth != 1 {
		k.Fatalf("%v, %+v, want %s", got, d.Counts, want)
	}
	k.Logf("kubectl nodegate diff -f new.toml\n%s", k.get("nodegate", "diff", "-f", policy))
	k.helm("upgrade", "nodegate", chart, "--namespace", namespace, "--reuse-values", "--set-file", "policy="+policy)
	k.eventually("the new policy on all nodes", func() error {
		for _, n := range k.statuses().Nodes {
			if n.Status != "Ready" && n.Status != "Outdated" || n.Says.Policy.Hash != d.New {
				return fmt.Errorf("%+v, not %s", n, d.New)
			}
		}
		return nil
	})
	k.ready("ci", "ping") // the kubelet tries it again by itself, as diff says
	if got := k.probe("ci", "ping", "ping 127.0.0.1"); got != "reply from 127.0.0.1" {
		k.Errorf("ping: %s", got)
	}
	k.do("-n", "ci", "delete", "pods", "fuse", "kvm", "--wait=true", "--timeout=60s")
	k.do("-n", "every", "delete", "pod", "plain", "--wait=true", "--timeout=60s")
	for _, pod := range []string{"fuse", "kvm", "plain"} {
		k.apply(fleetPods(k)[pod])
	}
	k.ready("ci", "kvm")
	k.ready("every", "plain")
	if got := k.probe("every", "plain", "open /dev/net/tun rw"); got != "ok" {
		k.Errorf("what plain gains: %s", got)
	}
	sentence := k.refused("ci", "fuse")
	for _, c := range d.Containers {
		if said := "nodegate: " + c.Refusal.Text + " [" + c.Refusal.Code + "]"; c.Pod == "fuse" && said != sentence {
			k.Errorf("refused with\n%s, and diff said\n%s", sentence, said)
		}
	}
	if err := k.nodegate(&d, "diff", "-f", policy); err != nil {
		k.Errorf("of the policy that is in force: %v", err)
	}
}

// A node without an agent is a line of its own, before the others.
func fleetWithout(k *kube) {
	k.do("label", "node", k.Nodes[1].Name, "agent-")
	k.eventually("the agent to be away", func() error {
		all := k.statuses().Nodes
		if len(all) != 2 || all[0].Node != k.Nodes[1].Name || all[0].Status != "NoAgent" || all[1].Node != k.Nodes[0].Name {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
	if out, err := k.Kubectl(k.Context(), "nodegate", "explain", "pod/fuse", "-n", "ci"); err == nil || !strings.Contains(err.Error(), "no agent runs here") {
		k.Errorf("%v\n%s", err, out)
	}
}
