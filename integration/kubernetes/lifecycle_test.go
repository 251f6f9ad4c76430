// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/cluster"
)

// The chart's life on a node, from the first installation until nothing is left of it.
func TestLifecycle(t *testing.T) {
	k := own(t)
	k.warm()
	before := k.listing()
	k.install("--set", "nri.runtime.patchConfig=true", "--set", "nri.runtime.undoOnUninstall=true", "--set-file", "policy="+k.policy(""))
	k.namespace("ci")
	for _, step := range []struct {
		name string
		run  func(*kube)
	}{
		{"policy", policyReloads},
		{"bad policy", policyWithErrors},
		{"rolling update", rollingUpdate},
		{"settings", settingsRestart},
		{"least privilege", leastPrivilege},
		{"least privilege on cgroup v1", leastOnCgroupV1},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(&kube{T: t, Cluster: k.Cluster}) }) {
			break
		}
	}
	k.do("-n", "ci", "delete", "pods", "--all", "--timeout=60s")
	k.undone(before)
}

// policy writes a policy that grants fuse in "ci", and what else is said.
func (k *kube) policy(more string) string {
	k.Helper()
	name := filepath.Join(k.TempDir(), "policy.toml")
	write(k.T, name, "version = 1\n[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = [\"ci\"]\n"+more)
	return name
}

// upgrade changes values of the release, and leaves the others as they are.
func (k *kube) upgrade(values ...string) {
	k.Helper()
	k.helm(append([]string{"upgrade", "nodegate", chart, "--namespace", namespace, "--reuse-values"}, values...)...)
}

// warm runs pods of both kinds that come, so that the node has what stays of the first.
func (k *kube) warm() {
	k.Helper()
	k.apply(manifest("default", "warm", "", "hostUsers: false"))
	k.apply(manifest("default", "warm-burstable", "", "") + "    resources: {requests: {memory: 1Mi}}\n")
	k.ready("default", "warm")
	k.ready("default", "warm-burstable")
	k.do("-n", "default", "delete", "pods", "--all", "--timeout=60s")
	k.eventually("their cgroups to be gone", func() error {
		for path := range k.listing() {
			if strings.Contains(path, "/kubepods/") && strings.Contains(path, "/pod") {
				return fmt.Errorf("there is %s", path)
			}
		}
		return nil
	})
}

func (k *kube) listing() cluster.Listing {
	k.Helper()
	l, err := k.Listing()
	if err != nil {
		k.Fatal(err)
	}
	return l
}

const grantKVM = "[[grants]]\nprofiles = [\"kvm\"]\nnamespaces = [\"ci\"]\n"

// A new policy is taken up by the agent that runs: the same pod, and no restart in it.
func policyReloads(k *kube) {
	was := k.agents()
	k.apply(manifest("ci", "kvm", "profiles.nodegate.dev: kvm", "hostUsers: false"))
	if got := k.refused("ci", "kvm"); !strings.Contains(got, `"kvm", which is not granted in namespace "ci" (granted there: fuse)`) {
		k.Error(got)
	}
	k.upgrade("--set-file", "policy="+k.policy(grantKVM))
	// The kubelet tries the container again.
	k.ready("ci", "kvm")
	if got := k.probe("ci", "kvm", "open /dev/kvm rw"); got != "ok" {
		k.Errorf("open /dev/kvm: %s", got)
	}
	is := k.agents()
	if len(is) != 1 || is[0].Metadata.UID != was[0].Metadata.UID || is[0].restarts() != was[0].restarts() {
		k.Errorf("the agent was started again: %+v, was %+v", is, was)
	}
}

// A policy with errors never replaces a good one, and the agent's pod says so.
func policyWithErrors(k *kube) {
	restarts := k.agents()[0].restarts()
	k.upgrade("--set-file", "policy="+k.policy("colour = \"red\"\n"))
	k.eventually("a pod that says what is wrong", func() error {
		events := k.events(namespace, "reason=Unhealthy")
		status := k.get("-n", namespace, "get", "daemonset", "nodegate", "-o", "jsonpath={.status.numberUnavailable}")
		if !strings.Contains(events, "the policy was not reloaded") || !strings.Contains(events, "config.toml:5: ") || status != "1" {
			return fmt.Errorf("unavailable: %s, events: %s", status, events)
		}
		return nil
	})
	k.apply(manifest("ci", "still", "profiles.nodegate.dev: kvm", "hostUsers: false"))
	k.ready("ci", "still")
	if got := k.probe("ci", "still", "open /dev/kvm rw"); got != "ok" {
		k.Errorf("under the former policy open /dev/kvm: %s", got)
	}
	k.upgrade("--set-file", "policy="+k.policy(grantKVM))
	k.rollout()
	if is := k.agents(); len(is) != 1 || is[0].restarts() != restarts {
		k.Errorf("the agent was started again: %+v", is)
	}
}

// settingsRestart: what the agent reads at its start alone takes another agent.
func settingsRestart(k *kube) {
	was := k.agents()[0].Metadata.UID
	k.upgrade("--set", "log.level=debug")
	k.rollout()
	if is := k.agents(); len(is) != 1 || is[0].Metadata.UID == was {
		k.Errorf("%+v", is)
	}
}

// undone uninstalls the chart, and compares the node with what it was before.
func (k *kube) undone(before cluster.Listing) {
	k.Helper()
	began := time.Now()
	if out, err := k.Helm(k.Context(), "uninstall", "nodegate", "--namespace", namespace, "--wait", "--timeout=3m"); err != nil {
		k.Fatalf("%v\n%s\n%s\n%s", err, out, k.get("-n", namespace, "describe", "pods"), k.get("-n", namespace, "logs", "--all-containers", "--prefix", "-l", "app.kubernetes.io/name=nodegate"))
	}
	k.Log("uninstalled after ", time.Since(began))
	k.do("delete", "namespace", namespace, "--timeout=60s")
	for _, kind := range []string{"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "validatingadmissionpolicies", "validatingadmissionpolicybindings", "runtimeclasses", "clusterroles,clusterrolebindings -l app.kubernetes.io/name=nodegate"} {
		if left := k.do(append([]string{"get", "-o", "name"}, strings.Fields(kind)...)...); left != "" {
			k.Errorf("left in the cluster: %s", left)
		}
	}
	var left []string
	k.eventually("a node as it was", func() error {
		if left = before.Changes(k.listing()); len(left) > 0 {
			return fmt.Errorf("%d differences:\n%s", len(left), strings.Join(left[:min(len(left), 40)], "\n"))
		}
		return nil
	})
}

// template is the pod of the DaemonSet, to be made again with something else in it.
func (k *kube) template() map[string]any {
	k.Helper()
	var set struct {
		Spec struct{ Template struct{ Spec map[string]any } }
	}
	if err := json.Unmarshal([]byte(k.do("-n", namespace, "get", "daemonset", "nodegate", "-o", "json")), &set); err != nil {
		k.Fatal(err)
	}
	return set.Spec.Template.Spec
}
