// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

// How many pods are sent to an agent at once: nodegate diff takes memory by their number,
// in the agent's own container.
const podsAtOnce = 100

// agentConfig is where the agent's files are in its container.
const agentConfig = "/etc/nodegate/config.toml"

type diffOptions struct {
	file   string
	output string
}

func diffCommand(o *options) *cobra.Command {
	d := &diffOptions{}
	cmd := &cobra.Command{
		Use:   "diff -f POLICY",
		Short: "Say what a new policy would change for the pods of the cluster",
		Long: `Has each agent compare the policy of its files with a new one for the pods of its
node and with its devices and its runtime, as nodegate diff does: what containers
gain and lose, which would be newly refused, and which no longer. The drop-ins
beside the agents' policy stay. Of all namespaces, or of the one that -n names.
Nothing is changed.

RECREATE says whether somebody has to recreate the pod for it: running containers
keep what they have, and the kubelet tries a refused one again by itself.

Exits with 0 if no container changes, with 3 if some do, with 4 if some are newly
refused, and with 1 if an agent did not answer or something could not be compared.`,
		Example: `  kubectl nodegate diff -f policy.toml
  kubectl nodegate diff -f policy.toml -n ci -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 || d.file == "" {
				return usage(cmd, "name the new policy by -f FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.diff(cmd.Context(), d) },
	}
	cmd.Flags().StringVarP(&d.file, "filename", "f", "", "the new policy `file`; - reads stdin")
	outputFlag(cmd, &d.output, "wide", "json", "yaml")
	return cmd
}

// agentDiff is what nodegate diff -o json prints, as far as it is read here.
type agentDiff struct {
	Old struct {
		Hash  string `json:"hash"`
		Audit bool   `json:"audit"`
	} `json:"old"`
	New struct {
		Hash  string `json:"hash"`
		Audit bool   `json:"audit"`
	} `json:"new"`
	Counts     counts      `json:"counts"`
	Containers []container `json:"containers"`
	Problems   []string    `json:"problems"`
}

// counts are of containers, but for the pods.
type counts struct {
	Pods         int `json:"pods"`
	NewlyRefused int `json:"newlyRefused"`
	NoMore       int `json:"noLongerRefused"`
	Changed      int `json:"changed"`
	Unchanged    int `json:"unchanged"`
	BothRefuse   int `json:"refusedByBoth"`
}

func (c *counts) add(d counts) {
	c.Pods += d.Pods
	c.NewlyRefused += d.NewlyRefused
	c.NoMore += d.NoMore
	c.Changed += d.Changed
	c.Unchanged += d.Unchanged
	c.BothRefuse += d.BothRefuse
}

// container is one that changes.
type container struct {
	Namespace string   `json:"namespace"`
	Pod       string   `json:"pod"`
	Node      string   `json:"node"`
	Owner     string   `json:"owner,omitempty"` // "ReplicaSet/web-5d4"
	Container string   `json:"container"`
	Type      string   `json:"type"`
	Result    string   `json:"result"`
	Refusal   *reason  `json:"refusal,omitempty"`
	Gains     []change `json:"gains,omitempty"`
	Loses     []change `json:"loses,omitempty"`
}

type reason struct {
	Code    string   `json:"code"`
	Subject string   `json:"subject,omitempty"`
	Text    string   `json:"text"`
	Remedy  string   `json:"remedy,omitempty"`
	Also    []reason `json:"also,omitempty"`
}

type change struct {
	Field  string `json:"field"`
	Change string `json:"change"`
}

// fleetDiff is the whole answer, and what -o json prints.
type fleetDiff struct {
	New        string         `json:"new"`     // hash, with the agents' drop-ins
	Old        map[string]int `json:"old"`     // nodes by hash
	Counts     counts         `json:"counts"`  // of all nodes that answered
	Elsewhere  int            `json:"noAgent"` // pods on no node that has an agent: not compared
	Containers []container    `json:"containers"`
	Problems   []string       `json:"problems,omitempty"`

	newAudit bool
}

func (o *options) diff(ctx context.Context, d *diffOptions) error {
	name, policy, err := o.read(d.file)
	if err != nil {
		return err
	}
	if len(policy) == 0 {
		return fmt.Errorf("%s is empty: a policy has at least the line version = 1", name)
	}
	a, err := o.connect(ctx)
	if err != nil {
		return err
	}
	namespace := ""
	if o.kube.Namespace != nil {
		namespace = *o.kube.Namespace // "" if -n was not given
	}
	pods, err := a.podsByNode(ctx, namespace)
	if err != nil {
		return err
	}
	report := &fleetDiff{Old: map[string]int{}, Containers: []container{}}
	withPods := slices.Clone(a.nodes)
	withPods = slices.DeleteFunc(withPods, func(n fleet.Node) bool {
		if n.Agent == nil {
			report.Elsewhere += len(pods[n.Name])
		}
		return n.Agent == nil || len(pods[n.Name]) == 0
	})
	report.Elsewhere += len(pods[""])
	classes := a.runtimeClasses(ctx)
	answers := fleet.Ask(ctx, withPods, a.limits, func(ctx context.Context, n *fleet.Node) ([]agentDiff, error) {
		return a.diffOn(ctx, n, pods[n.Name], classes, policy, filepath.Base(name))
	})
	for i := range answers {
		report.add(&answers[i], pods[answers[i].Node.Name])
	}
	if err := report.write(o.Out, d.output); err != nil {
		return err
	}
	if err := unanswered(o, answers); err != nil {
		return err
	}
	return report.ending()
}

// podsByNode lists the pods that run or are to run, without what nobody asks of them.
func (a *agents) podsByNode(ctx context.Context, namespace string) (map[string][]corev1.Pod, error) {
	out := map[string][]corev1.Pod{}
	options := metav1.ListOptions{Limit: 500}
	for {
		list, err := a.core.Pods(namespace).List(ctx, options)
		if err != nil {
			return nil, fleet.Denied(fmt.Errorf("listing pods: %w", err), fleet.ListPods)
		}
		for i := range list.Items {
			p := list.Items[i]
			if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
				continue
			}
			p.APIVersion, p.Kind, p.ManagedFields, p.Status = "v1", "Pod", nil, corev1.PodStatus{}
			out[p.Spec.NodeName] = append(out[p.Spec.NodeName], p)
		}
		if options.Continue = list.Continue; options.Continue == "" {
			return out, nil
		}
	}
}

// diffOn has one agent compare for its pods.
func (a *agents) diffOn(ctx context.Context, n *fleet.Node, pods []corev1.Pod, classes, policy []byte, name string) ([]agentDiff, error) {
	var out []agentDiff
	for some := range slices.Chunk(pods, podsAtOnce) {
		list, err := json.Marshal(corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: some})
		if err != nil {
			return nil, err
		}
		stdin := slices.Concat(policy, list, classes)
		text, err := a.exec.Run(ctx, n.Agent, bytes.NewReader(stdin), "diff", agentConfig, name,
			"--new-bytes", strconv.Itoa(len(policy)), "--pods", "-", "--runtime", n.Runtime, "-o", "json")
		// What it found is told by the exit code too.
		exit := (*fleet.ExitError)(nil)
		switch found := errors.As(err, &exit); {
		case found && exit.Code == exitUsage:
			return nil, a.ofOtherVersion(ctx, n, err)
		case err != nil && (!found || len(text) == 0):
			return nil, err
		}
		var d agentDiff
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("does not answer as a nodegate agent: %w", err)
		}
		out = append(out, d)
	}
	return out, nil
}

func (r *fleetDiff) add(a *fleet.Answer[[]agentDiff], pods []corev1.Pod) {
	owners := map[string]string{}
	for i := range pods {
		if c := metav1.GetControllerOf(&pods[i]); c != nil {
			owners[pods[i].Namespace+"/"+pods[i].Name] = c.Kind + "/" + c.Name
		}
	}
	for i := range a.Value {
		d := &a.Value[i]
		if i == 0 {
			r.Old[d.Old.Hash]++
		}
		r.New, r.newAudit = d.New.Hash, d.New.Audit
		r.Counts.add(d.Counts)
		for _, c := range d.Containers {
			c.Node, c.Owner = a.Node.Name, owners[c.Namespace+"/"+c.Pod]
			r.Containers = append(r.Containers, c)
		}
		for _, p := range d.Problems {
			r.Problems = append(r.Problems, "node "+a.Node.Name+": "+p)
		}
	}
}

// ending is the error that tells by its exit code what changes, or nil.
func (r *fleetDiff) ending() error {
	switch c := &r.Counts; {
	case len(r.Problems) > 0:
		return fmt.Errorf("%d pods could not be compared", len(r.Problems))
	case c.NewlyRefused > 0:
		return &codedError{exitRefuses, fmt.Sprintf("containers newly refused: %d", c.NewlyRefused)}
	case c.NoMore+c.Changed > 0:
		return &codedError{exitChanges, fmt.Sprintf("containers changed: %d", c.NoMore+c.Changed)}
	}
	return nil
}
