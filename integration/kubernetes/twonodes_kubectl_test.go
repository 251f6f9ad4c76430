// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/integration/cluster"
)

// What kubectl nodegate says of the nodes is so.
func kubectlNodegate(k twoNodes) {
	k.namespace("every")
	fleetStatus(k)
	fleetRights(k)
	fleetExplains(k)
	fleetDiffers(k)
	k.do("delete", "namespace", "every", "--wait=true", "--timeout=80s")
}

// nodegate runs the plugin, as kubectl finds it, and reads its JSON.
func (k *kube) nodegate(out any, args ...string) error {
	k.Helper()
	text, err := k.Kubectl(k.Context(), slices.Concat([]string{"nodegate"}, args, []string{"-o", "json"})...)
	if bad := json.Unmarshal([]byte(text), out); bad != nil {
		return fmt.Errorf("%q: %w: %s", args, errors.Join(err, bad), text)
	}
	return err
}

type fleetStatuses struct {
	Nodes []struct {
		Node, Status, Why string
		Says              struct {
			Version  string
			Policy   struct{ Hash string }
			Profiles []struct {
				Name, Why        string
				Granted, Carried bool
			}
		}
	}
}

func (k *kube) statuses() (s fleetStatuses, err error) {
	k.Helper()
	err = k.nodegate(&s, "status")
	return s, err
}

func fleetStatus(k twoNodes) {
	var s fleetStatuses
	k.eventually("both agents to be ready", func() (err error) {
		if s, err = k.statuses(); err != nil || len(s.Nodes) != 2 || s.Nodes[0].Status != "Ready" || s.Nodes[1].Status != "Ready" {
			return fmt.Errorf("%w: %+v", err, s)
		}
		return nil
	})
	all := s.Nodes
	if all[0].Says.Policy.Hash != all[1].Says.Policy.Hash {
		k.Errorf("%+v", all)
	}
	// What the first node can give and the second one cannot, resource or not.
	for i, n := range all {
		share := map[string]string{}
		for _, p := range n.Says.Profiles {
			if p.Granted {
				share[p.Name] = p.Why
			}
		}
		want := map[string]string{"fuse": "", "kvm": "", "unit": ""}
		if n.Node == k.second.Name {
			want["kvm"] = `would get profile "kvm", but this node has no device "/dev/kvm" [no_device]`
		}
		if !maps.Equal(share, want) {
			k.Errorf("node %d: %v, want %v", i, share, want)
		}
	}
	out := k.do("nodegate", "status", "-o", "wide")
	k.Logf("kubectl nodegate status\n%s", out)
	for _, want := range []string{"NODE", k.first.Name + " ", k.second.Name + " ", all[0].Says.Version, all[0].Says.Policy.Hash, " 3/3 ", " 2/3 ", " fuse, unit "} {
		if !strings.Contains(out, want) {
			k.Errorf("no %q in\n%s", want, out)
		}
	}
}

// A right that is missing is named, and with the rule that is named it works.
func fleetRights(k twoNodes) {
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

// fleetPods are the pods of the tests below, by name.
func fleetPods(k twoNodes) map[string]string {
	return map[string]string{
		"fuse":   manifest("ci", "fuse", "profiles.nodegate.dev: fuse", pinned(k.second)),
		"kvm":    manifest("ci", "kvm", "profiles.nodegate.dev: kvm", pinned(k.first)),
		"no-kvm": manifest("ci", "no-kvm", "profiles.nodegate.dev: kvm", pinned(k.second)),
		"ping":   manifest("ci", "ping", "profiles.nodegate.dev: ping", pinned(k.first)),
		"plain":  manifest("every", "plain", "a: b", pinned(k.first)),
	}
}

func fleetExplains(k twoNodes) {
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
			found = found || r.Pod == pod && r.Text == sentence && strings.HasSuffix(sentence, "["+r.Code+"]")
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
		"fuse": {"node " + k.second.Name + ", where pod fuse is\n", "containerd 2.4.2", `"app": adjusted, gets fuse`},
		"kvm":  {"node " + k.first.Name + ", where pod kvm is\n", `"app": adjusted, gets kvm`, "/dev/kvm"},
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
	if out := k.do("nodegate", "explain", "-f", file, "--node", k.second.Name); !strings.Contains(out, `this node has no device "/dev/kvm"`) {
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
func fleetDiffers(k twoNodes) {
	const policy = "testdata/twonodes-new.toml"
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
	out, _ := k.Kubectl(k.Context(), "nodegate", "diff", "-f", policy) // its exit code is that of the first
	k.Logf("kubectl nodegate diff -f new.toml\n%s", out)
	now, err := k.statuses()
	if err != nil {
		k.Fatal(err)
	}
	before := now.Nodes[0].Says.Policy.Hash
	k.takesPolicy(policy, d.New)
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
		if said := c.Refusal.Text + " [" + c.Refusal.Code + "]"; c.Pod == "fuse" && said != sentence {
			k.Errorf("refused with\n%s, and diff said\n%s", sentence, said)
		}
	}
	if err := k.nodegate(&d, "diff", "-f", policy); err != nil {
		k.Errorf("of the policy that is in force: %v", err)
	}
	k.takesPolicy("testdata/twonodes.toml", before)
}

// takesPolicy installs a policy and waits until each agent has it.
func (k twoNodes) takesPolicy(file, hash string) {
	k.Helper()
	k.upgrade("--set-file", "policy="+file)
	k.eventually("policy "+hash+" on all nodes", func() error {
		s, err := k.statuses()
		if err != nil {
			return err
		}
		for _, n := range s.Nodes {
			if n.Says.Policy.Hash != hash {
				return fmt.Errorf("%+v", n)
			}
		}
		return nil
	})
}

// needsSomebody waits until the first line of kubectl nodegate status is this one.
func (k twoNodes) needsSomebody(n *cluster.Node, status string) {
	k.Helper()
	k.eventually(n.Name+" to be "+status, func() error {
		s, err := k.statuses()
		if err != nil || len(s.Nodes) != 2 || s.Nodes[0].Node != n.Name || s.Nodes[0].Status != status {
			return fmt.Errorf("%w: %+v", err, s)
		}
		return nil
	})
}
