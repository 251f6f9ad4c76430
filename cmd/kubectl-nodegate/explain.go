// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/cli-runtime/pkg/resource"
	nodeclient "k8s.io/client-go/kubernetes/typed/node/v1"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

type explainOptions struct {
	file      string
	node      string
	container string
	output    string
	strict    bool
}

func explainCommand(o *options) *cobra.Command {
	e := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain (TYPE/NAME | -f FILE)",
		Short: "Say what the policy does to a pod on its node, and why",
		Long: `Runs nodegate explain in the container of an agent: with the policy of its files,
and with the devices and the runtime of its node. That is the node where the pod
runs, or a pod of the workload; else the first one whose labels match the pod's
nodeSelector. For a file it is the first node. --node names another.

Exits as nodegate explain does: with 0 if all was explained, also if a container
would be refused; with --strict with 1 then.`,
		Example: `  kubectl nodegate explain pod/build-1 -n ci
  kubectl nodegate explain deploy/runner -o diff
  kubectl nodegate explain -f pod.yaml --node worker-3`,
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (e.file != "") {
				return usage(cmd, "write either the name of an object, such as pod/NAME or deploy/NAME, or -f FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.explain(cmd.Context(), e, args) },
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return o.podNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := cmd.Flags()
	f.StringVarP(&e.file, "filename", "f", "", "the manifest `file`; - reads stdin")
	f.StringVar(&e.node, "node", "", "the `node` where it is explained")
	f.StringVarP(&e.container, "container", "c", "", "only the container with this `name`")
	f.BoolVar(&e.strict, "strict", false, "fail on refusals, notes and warnings too")
	outputFlag(cmd, &e.output, "json", "yaml", "diff")
	return cmd
}

// podNames are for completion: "pod/NAME" of the namespace.
func (o *options) podNames(ctx context.Context) []string {
	a, err := o.open()
	if err != nil {
		return nil
	}
	list, err := a.core.Pods(a.namespace).List(ctx, metav1.ListOptions{Limit: 500})
	if err != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		out = append(out, "pod/"+list.Items[i].Name)
	}
	return out
}

// target is what is explained, and where.
type target struct {
	manifest  []byte
	namespace string
	node      string            // where a pod of it runs
	pod       string            // that pod
	selector  map[string]string // the nodes where it may run
}

func (o *options) explain(ctx context.Context, e *explainOptions, args []string) error {
	a, err := o.connect(ctx)
	if err != nil {
		return err
	}
	var t *target
	if e.file != "" {
		t, err = a.targetOfFile(e.file)
	} else {
		t, err = a.targetOfObject(ctx, args[0])
	}
	if err != nil {
		return err
	}
	node, why, err := a.choose(t, e.node)
	if err != nil {
		return err
	}
	if e.output == "" {
		fmt.Fprintf(o.Out, "node %s, %s\n", node.Name, why)
	}
	manifest := slices.Concat(t.manifest, a.runtimeClasses(ctx))
	command := []string{"explain", "-f", "-", "-n", t.namespace, "--runtime", node.Runtime}
	if e.output != "" {
		command = append(command, "-o", e.output)
	}
	if e.container != "" {
		command = append(command, "--container", e.container)
	}
	if e.strict {
		command = append(command, "--strict")
	}
	one := []fleet.Node{*node}
	answer := fleet.Ask(ctx, one, a.limits, func(ctx context.Context, n *fleet.Node) ([]byte, error) {
		out, err := a.exec.Run(ctx, n.Agent, bytes.NewReader(manifest), command...)
		return out, a.ofOtherVersion(ctx, n, err)
	})[0]
	// A node's answer does not steer the terminal of who asks all of them.
	if err := printers.WriteEscaped(o.Out, string(answer.Value)); err != nil {
		return err
	}
	if answer.Err != nil {
		return fmt.Errorf("node %s: %w", node.Name, answer.Err)
	}
	return nil
}

func (a *agents) targetOfFile(name string) (t *target, err error) {
	t = &target{namespace: a.namespace}
	_, t.manifest, err = a.read(name)
	return t, err
}

func (a *agents) targetOfObject(ctx context.Context, name string) (*target, error) {
	infos, err := resource.NewBuilder(a.kube).Unstructured().NamespaceParam(a.namespace).DefaultNamespace().
		ResourceTypeOrNameArgs(false, name).Flatten().Do().Infos()
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("%q is %d objects: name one, as in pod/NAME", name, len(infos))
	}
	text, err := json.Marshal(infos[0].Object)
	if err != nil {
		return nil, err
	}
	var w workload
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	t := &target{manifest: text, namespace: a.namespace, selector: w.nodeSelector()}
	if w.Kind == "Pod" {
		t.pod, t.node = w.Metadata.Name, w.Spec.NodeName
		return t, nil
	}
	selector, err := w.pods()
	if err != nil {
		return nil, fmt.Errorf("reading the selector of %s: %w", name, err)
	}
	if selector == nil {
		return t, nil
	}
	pods, err := a.core.Pods(a.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fleet.Denied(fmt.Errorf("listing the pods of %s: %w", name, err), fleet.ListPods)
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; p.Spec.NodeName != "" {
			t.pod, t.node = p.Name, p.Spec.NodeName
			break
		}
	}
	return t, nil
}

// choose is the node to ask, and why it is that one.
func (a *agents) choose(t *target, named string) (*fleet.Node, string, error) {
	why := "where pod " + t.pod + " is"
	at := t.node
	if named != "" {
		at, why = named, "as --node says"
	}
	var other *fleet.Node
	for i := range a.nodes {
		n := &a.nodes[i]
		switch {
		case n.Name == at && n.Agent == nil:
			return nil, "", fmt.Errorf("node %q: %w: its containers get nothing", at, fleet.ErrNoAgent)
		case n.Name == at:
			return n, why, nil
		case at == "" && other == nil && n.Agent != nil && matches(t.selector, n.Labels):
			other = n
		}
	}
	switch {
	case at != "":
		return nil, "", fmt.Errorf("there is no node %q", at)
	case other == nil:
		return nil, "", errors.New("no node with an agent matches the pod's nodeSelector: name one by --node")
	}
	return other, "where it could run: --node names another", nil
}

func matches(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// runtimeClasses are documents that say which handlers the cluster's RuntimeClasses name.
// Without the right to read them, the explanation says what it assumes.
func (a *agents) runtimeClasses(ctx context.Context) []byte {
	client, err := nodeclient.NewForConfig(a.config)
	if err != nil {
		return nil
	}
	list, err := client.RuntimeClasses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil
	}
	var out []byte
	for i := range list.Items {
		c := &list.Items[i]
		text, err := json.Marshal(map[string]any{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass",
			"metadata": map[string]string{"name": c.Name}, "handler": c.Handler})
		if err == nil {
			out = append(append(out, "\n---\n"...), text...)
		}
	}
	return out
}
