// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/node"
)

// On a node whose containerd has NRI off, the DaemonSet's pod says so in its status and
// its log, and everything else on the node goes on. It is ready once NRI is on.
func TestNodeWithoutNRI(t *testing.T) {
	k := own(t)
	const config = "/etc/containerd/config.toml"
	with, err := k.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	head, nri, _ := strings.Cut(with, "[plugins.'io.containerd.nri.v1.nri']")
	without := head + "[plugins.'io.containerd.nri.v1.nri']" + strings.Replace(nri, "disable = false", "disable = true", 1)
	if without == with {
		t.Fatalf("nothing to switch off in:\n%s", with)
	}
	if err := k.WriteFile(config, without); err != nil {
		t.Fatal(err)
	}
	k.restartContainerd()
	// The folder of the socket stays from before.
	if out, err := k.Command("rm", "-rf", "/run/nri").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	k.do("create", "namespace", namespace)
	k.helm("install", "nodegate", chart, "--namespace", namespace)
	const want = "the agent is not ready: not registered with the runtime: connecting to NRI: "
	k.eventually("a pod that says why it is not ready", func() error {
		events := k.events(namespace, "reason=Unhealthy")
		if !strings.Contains(events, want) {
			return fmt.Errorf("events: %s, pods: %s", events, k.get("-n", namespace, "describe", "pods"))
		}
		return nil
	})
	if got := k.do("-n", namespace, "get", "daemonset", "nodegate", "-o", "jsonpath={.status.numberUnavailable}"); got != "1" {
		t.Errorf("unavailable: %s", got)
	}
	logs := k.do("-n", namespace, "logs", "daemonset/nodegate")
	if !strings.Contains(logs, "not connected to the runtime; retrying") || !strings.Contains(logs, "is NRI switched on") {
		t.Errorf("the log says\n%s", logs)
	}
	k.namespace("free")
	k.apply(manifest("free", "app", "", ""))
	k.ready("free", "app")

	if err := k.WriteFile(config, with); err != nil {
		t.Fatal(err)
	}
	k.restartContainerd()
	k.rollout()
	if is := k.agents(); len(is) != 1 || is[0].restarts() != 0 {
		t.Errorf("the agent did not wait: %+v", is)
	}
}

// A node whose containerd is too old is left as it is, and the DaemonSet's pod says why.
// The program that is asked is containerd 1.7 with the version of another in it: a real 1.6
// runs no such cluster.
func TestOldContainerd(t *testing.T) {
	k := own(t)
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(filepath.Join(bin, "containerd-1.7.35", "containerd"))
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.ReplaceAll(program, []byte("v1.7.35"), []byte("v1.6.36"))
	const at = "/usr/local/bin/containerd"
	// The one that runs goes on.
	if out, err := k.Command("rm", at).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := k.WriteFile(at, string(old)); err != nil {
		t.Fatal(err)
	}
	if out, err := k.Command("chmod", "0755", at).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	k.warm()
	before := k.files()

	k.do("create", "namespace", namespace)
	k.helm("install", "nodegate", chart, "--namespace", namespace, "--set", "nri.runtime.patchConfig=true")
	const want = "containerd 1.6 is not supported, for it has no NRI that plugins can connect to: upgrade it to 1.7 or later"
	k.eventually("a pod that says why it does not start", func() error {
		pods := k.agents()
		if len(pods) != 1 || len(pods[0].Status.InitContainerStatuses) != 1 {
			return fmt.Errorf("%+v", pods)
		}
		init := pods[0].Status.InitContainerStatuses[0]
		if last := init.LastState.Terminated; last == nil || !strings.Contains(last.Message, want) {
			return fmt.Errorf("%+v", init)
		}
		return nil
	})
	if logs := k.do("-n", namespace, "logs", "daemonset/nodegate", "-c", "install"); !strings.Contains(logs, want) {
		t.Errorf("the log says\n%s", logs)
	}
	if got := k.do("-n", namespace, "get", "daemonset", "nodegate", "-o", "jsonpath={.status.numberUnavailable}"); got != "1" {
		t.Errorf("unavailable: %s", got)
	}
	if changed := before.Changes(k.files()); len(changed) > 0 {
		t.Errorf("changed on the node:\n%s", strings.Join(changed, "\n"))
	}
}

// files is the part of a listing that an installer writes.
func (k *kube) files() cluster.Listing {
	k.Helper()
	l := k.listing()
	for path := range l {
		if !strings.HasPrefix(path, "/etc/") && !strings.HasPrefix(path, "/usr/") && !strings.HasPrefix(path, "/opt/") && !strings.HasPrefix(path, "/var/") {
			delete(l, path)
		}
	}
	return l
}
