// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package kubernetes shows that nodegate's chart does what it says on a real Kubernetes:
// installed by the real Helm, with pods that a user would write.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/node"
)

const (
	chart     = "../../config/deploy/chart"
	namespace = "nodegate" // of the release
	probe     = node.Image
)

// limit bounds a wait for what takes some seconds on an idle machine.
const limit = 90 * time.Second

// shared is the cluster of all tests that leave it as it is.
var shared struct {
	sync.Mutex
	cluster *cluster.Cluster
	failed  bool
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, c := range []*cluster.Cluster{shared.cluster, sharedAPI.cluster} {
		if c == nil {
			continue
		}
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// installed is a cluster whose node has nodegate by the chart, with the wrapper, and the
// policy of testdata/policy.toml. Tests share it: each has namespaces of its own.
func installed(t *testing.T) *kube {
	t.Helper()
	cluster.Require(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.failed {
		t.Fatal("the shared cluster could not be started: see the first test that tried")
	}
	if shared.cluster != nil {
		return &kube{T: t, Cluster: shared.cluster}
	}
	shared.failed = true
	k := start(t, cluster.Options{})
	shared.cluster = k.Cluster
	k.install("--set", "nri.runtime.patchConfig=true", "--set", "deviceResources.enabled=true", "--set", "delegation.path=/sys/fs/cgroup/systemd", "--set-file", "policy=testdata/policy.toml")
	shared.failed = false
	return k
}

// kube is a cluster as one test sees it: what goes wrong fails the test.
type kube struct {
	*testing.T
	*cluster.Cluster
	own bool // it ends with the test, and nothing has to be taken out of it
}

// start starts a cluster that has nodegate's image, and nothing else of it.
func start(t *testing.T, o cluster.Options) *kube {
	t.Helper()
	c, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	k := &kube{T: t, Cluster: c}
	if err := k.importNodegate(); err != nil {
		t.Fatal(errors.Join(err, c.Close()))
	}
	return k
}

// own is a cluster that ends with the test.
func own(t *testing.T) *kube { return ownWith(t, cluster.Options{}) }

func ownWith(t *testing.T, o cluster.Options) *kube {
	t.Helper()
	cluster.Require(t)
	k := start(t, o)
	k.own = true
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// importNodegate gives the nodes the image that make image has built, under the name that
// the chart has by default.
func (k *kube) importNodegate() error {
	bin, err := node.BinDir()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(bin, "release", "version.txt"))
	if err != nil {
		return fmt.Errorf("%w: run make image", err)
	}
	version := strings.TrimSpace(string(text))
	text, err = os.ReadFile(chart + "/Chart.yaml")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "\nappVersion: ")
	app, _, _ := strings.Cut(rest, "\n")
	app = strings.Trim(app, `"`)
	const name = "docker.io/nodegate/nodegate:"
	for _, n := range k.Nodes {
		if err := n.ImportFile(k.Context(), filepath.Join(bin, "release", "nodegate-"+version+"-oci.tar")); err != nil {
			return err
		}
		if app == version {
			continue
		}
		if err := n.Tag(k.Context(), name+version, name+app); err != nil {
			return err
		}
	}
	return nil
}

// install installs the chart, and restarts containerd as its notes say, since no systemd
// runs these nodes. What the agent refuses is not refused before (admission.requests): the
// tests are about the agent.
func (k *kube) install(values ...string) {
	k.Helper()
	k.do("create", "namespace", namespace)
	k.do("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged")
	k.helm(append([]string{"install", "nodegate", chart, "--namespace", namespace, "--set", "admission.requests=false"}, values...)...)
	if slices.Contains(values, "nri.runtime.patchConfig=true") {
		k.eventually("the installer to be done", func() error {
			pods := k.agents()
			waits := slices.ContainsFunc(pods, func(p pod) bool {
				return len(p.Status.InitContainerStatuses) != 1 || p.Status.InitContainerStatuses[0].State.Terminated == nil
			})
			if waits || len(pods) != len(k.Nodes) {
				return fmt.Errorf("%s", k.get("-n", namespace, "get", "pods", "-o", "wide"))
			}
			return nil
		})
		k.restartContainerd()
	}
	k.rollout()
}

func (k *kube) restartContainerd() {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), limit)
	defer cancel()
	for _, n := range k.Nodes {
		if err := n.RestartContainerd(ctx); err != nil {
			k.Fatal(err)
		}
	}
}

// rollout waits until all agents are those of the chart's last state, and ready.
func (k *kube) rollout() {
	k.Helper()
	if _, err := k.Kubectl(k.Context(), "-n", namespace, "rollout", "status", "daemonset/nodegate", "--timeout=90s"); err != nil {
		k.Fatalf("%v\n%s\n%s", err, k.get("-n", namespace, "describe", "pods"), k.get("-n", namespace, "logs", "-l", "app.kubernetes.io/component=agent", "--all-containers", "--tail=50"))
	}
}

// do runs kubectl, which has to succeed.
func (k *kube) do(args ...string) string {
	k.Helper()
	out, err := k.Kubectl(k.Context(), args...)
	if err != nil {
		k.Fatal(err)
	}
	return out
}

// get runs kubectl for a text to show: an error is a text too.
func (k *kube) get(args ...string) string {
	out, err := k.Kubectl(k.Context(), args...)
	if err != nil {
		return err.Error()
	}
	return out
}

// helm runs Helm, which has to succeed.
func (k *kube) helm(args ...string) string {
	k.Helper()
	out, err := k.Helm(k.Context(), args...)
	if err != nil {
		k.Fatalf("%v\n%s", err, k.get("get", "pods", "-A", "-o", "wide"))
	}
	return out
}

// apply makes what a manifest says.
func (k *kube) apply(manifest string) {
	k.Helper()
	if _, err := k.Apply(k.Context(), manifest); err != nil {
		k.Fatalf("%v\n%s", err, manifest)
	}
}

// namespace makes a namespace for the test, with labels; of a shared cluster it is removed
// with the test.
func (k *kube) namespace(name string, labels ...string) {
	k.Helper()
	k.makeNamespace(name, labels...)
	if k.own {
		return
	}
	k.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if _, err := k.Kubectl(ctx, "delete", "namespace", name, "--wait=true", "--timeout=80s"); err != nil {
			k.Error(err)
		}
	})
}

func (k *kube) makeNamespace(name string, labels ...string) {
	k.Helper()
	k.do("create", "namespace", name)
	for _, label := range labels {
		k.do("label", "namespace", name, label)
	}
	// Pods want its account.
	k.eventually("an account in namespace "+name, func() error {
		_, err := k.Kubectl(k.Context(), "-n", name, "get", "serviceaccount", "default")
		return err
	})
}

// eventually tries until there is no error.
func (k *kube) eventually(what string, try func() error) {
	k.Helper()
	var err error
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	k.Fatalf("waiting for %s: %v", what, err)
}

// ready waits for a pod to be ready.
func (k *kube) ready(namespace, pod string) {
	k.Helper()
	if _, err := k.Kubectl(k.Context(), "-n", namespace, "wait", "pod/"+pod, "--for=condition=Ready", "--timeout=60s"); err != nil {
		k.Fatalf("%v\n%s", err, k.get("-n", namespace, "describe", "pod", pod))
	}
}

// exec runs a command in a pod and returns what it prints, error or not.
func (k *kube) exec(namespace, pod string, command ...string) string {
	k.Helper()
	out, err := k.Kubectl(k.Context(), append([]string{"-n", namespace, "exec", pod, "--"}, command...)...)
	if err != nil && out == "" {
		return err.Error()
	}
	return strings.TrimSpace(out)
}

// events are the messages of a namespace's events, a line each, by a field selector.
func (k *kube) events(namespace, selector string) string {
	return k.get("-n", namespace, "get", "events", "--field-selector", selector, "-o", `jsonpath={range .items[*]}{.message}{"\n"}{end}`)
}

// refused waits until a pod's events say why a container of it was not created, and
// returns the sentence.
func (k *kube) refused(namespace, pod string) string {
	k.Helper()
	var sentence string
	k.eventually("a refusal of "+namespace+"/"+pod, func() error {
		text := k.events(namespace, "involvedObject.name="+pod)
		for line := range strings.Lines(text) {
			if i := strings.Index(line, "nodegate: "); i >= 0 {
				sentence = strings.TrimSpace(line[i:])
				return nil
			}
		}
		return fmt.Errorf("%s", text)
	})
	return sentence
}

// pod is what the tests read of one.
type pod struct {
	Metadata struct {
		Name, UID         string
		Annotations       map[string]string
		DeletionTimestamp string
	}
	Spec   struct{ NodeName string }
	Status struct {
		Phase                                    string
		InitContainerStatuses, ContainerStatuses []containerStatus
		Conditions                               []struct{ Type, Status string }
	}
}

type containerStatus struct {
	Name         string
	Ready        bool
	RestartCount int
	State        struct {
		Terminated, Running, Waiting *struct{ Reason, Message string }
	}
	LastState struct {
		Terminated *struct{ Reason, Message string }
	}
}

func (p pod) restarts() int { return p.Status.ContainerStatuses[0].RestartCount }

func (k *kube) pods(namespace, labels string) []pod {
	k.Helper()
	var list struct{ Items []pod }
	if err := json.Unmarshal([]byte(k.do("-n", namespace, "get", "pods", "-l", labels, "-o", "json")), &list); err != nil {
		k.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(p pod) bool { return p.Metadata.DeletionTimestamp != "" })
}

func (k *kube) agents() []pod {
	k.Helper()
	return k.pods(namespace, "app.kubernetes.io/component=agent")
}

// manifest is a pod of one container that stays.
func manifest(namespace, name, annotations, spec string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata:
  namespace: %s
  name: %s
  annotations: {%s}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  %s
  containers:
  - name: app
    image: %s
    imagePullPolicy: Never
`, namespace, name, annotations, spec, probe)
}

// probe asks the test image's program a question, in words as a shell has them.
func (k *kube) probe(namespace, pod, question string) string {
	k.Helper()
	return k.exec(namespace, pod, append([]string{node.ProbePath}, strings.Fields(question)...)...)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
