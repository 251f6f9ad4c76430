// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Container is the agent's in its pod, by the chart.
const Container = "agent"

// page is how many objects are listed at once.
const page = 500

// Node is a node of the cluster and its agent.
type Node struct {
	Name    string
	Labels  map[string]string
	Runtime string      // as the kubelet says, in the form that nodegate takes: "containerd/2.4.2"
	Agent   *corev1.Pod // nil where none is
}

// Place is where the agents' pods are.
type Place struct {
	Namespace string
	Selector  string // of their labels
}

// Find lists the nodes, by name, each with its agent.
func Find(ctx context.Context, core coreclient.CoreV1Interface, at Place) ([]Node, error) {
	agents, err := agentsByNode(ctx, core, at)
	if err != nil {
		return nil, err
	}
	var out []Node
	options := metav1.ListOptions{Limit: page}
	for {
		list, err := core.Nodes().List(ctx, options)
		if err != nil {
			return nil, Denied(fmt.Errorf("listing nodes: %w", err), ListNodes)
		}
		for i := range list.Items {
			n := &list.Items[i]
			out = append(out, Node{Name: n.Name, Labels: n.Labels, Agent: agents[n.Name],
				Runtime: strings.Replace(n.Status.NodeInfo.ContainerRuntimeVersion, "://", "/", 1)})
		}
		if options.Continue = list.Continue; options.Continue == "" {
			break
		}
	}
	if len(agents) == 0 {
		return nil, fmt.Errorf("no pod in namespace %q has the labels %q: name the agents' namespace by --agent-namespace, or install nodegate", at.Namespace, at.Selector)
	}
	slices.SortFunc(out, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// agentsByNode are the agents' pods. Of the two of a rolling update, it is the one that
// can answer, and then the newer one.
func agentsByNode(ctx context.Context, core coreclient.CoreV1Interface, at Place) (map[string]*corev1.Pod, error) {
	out := map[string]*corev1.Pod{}
	options := metav1.ListOptions{Limit: page, LabelSelector: at.Selector}
	for {
		list, err := core.Pods(at.Namespace).List(ctx, options)
		if err != nil {
			return nil, Denied(fmt.Errorf("listing the agents' pods: %w", err), ListAgents(at.Namespace))
		}
		for i := range list.Items {
			p := &list.Items[i]
			if p.Spec.NodeName == "" {
				continue
			}
			if before := out[p.Spec.NodeName]; before == nil || better(p, before) {
				out[p.Spec.NodeName] = p
			}
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return out, nil
		}
	}
}

func better(a, b *corev1.Pod) bool {
	if running(a) != running(b) {
		return running(a)
	}
	return b.CreationTimestamp.Before(&a.CreationTimestamp)
}

func running(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil
}
