// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"k8s.io/cli-runtime/pkg/printers"
)

// Results of a container, as nodegate diff names them.
const (
	noMore = "no_longer_refused"
)

var diffColumns = []column{{"Namespace", false}, {"Workload", false}, {"Container", false}, {"Pods", false}, {"Nodes", true},
	{"Result", false}, {"Recreate", false}, {"What", false}}

func (r *fleetDiff) write(out io.Writer, format string) error {
	slices.SortStableFunc(r.Containers, func(a, b container) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.workload(), b.workload()), cmp.Compare(a.Pod, b.Pod))
	})
	if format == "json" || format == "yaml" {
		return writeValue(out, format, r)
	}
	var rows [][]any
	for _, same := range r.alike() {
		rows = append(rows, same.cells())
	}
	if len(rows) > 0 {
		if err := newTableWriter(out, format == "wide", diffColumns).write(rows); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	return printers.WriteEscaped(out, r.summary()) // problems are in the agents' words
}

// workload is who made the pod, or the pod.
func (c *container) workload() string {
	if c.Owner != "" {
		return c.Owner
	}
	return "Pod/" + c.Pod
}

// what happens to the container, in words.
func (c *container) what() string {
	var all []string
	if c.Refusal != nil {
		all = append(all, fmt.Sprintf("%s [%s]", sentence(c.Refusal.Text, c.Refusal.Code), c.Refusal.Code))
		for _, also := range c.Refusal.Also {
			all = append(all, fmt.Sprintf("%s [%s]", sentence(also.Text, also.Code), also.Code))
		}
	}
	for _, ch := range c.Gains {
		all = append(all, "gains "+ch.Field+" "+ch.Change)
	}
	for _, ch := range c.Loses {
		all = append(all, "loses "+ch.Field+" "+ch.Change)
	}
	return strings.Join(all, "; ")
}

// replicas are containers of one workload to which the same happens.
type replicas struct {
	first *container
	pods  int
	nodes []string
}

func (r *fleetDiff) alike() []*replicas {
	var out []*replicas
	at := map[string]*replicas{}
	for i := range r.Containers {
		c := &r.Containers[i]
		key := strings.Join([]string{c.Namespace, c.workload(), c.Container, c.Type, c.Result, c.what()}, "\x00")
		key = strings.ReplaceAll(key, c.Namespace+"/"+c.Pod, "") // a sentence names the pod
		same := at[key]
		if same == nil {
			same = &replicas{first: c}
			at[key], out = same, append(out, same)
		}
		same.pods++
		if !slices.Contains(same.nodes, c.Node) {
			same.nodes = append(same.nodes, c.Node)
		}
	}
	return out
}

func (s *replicas) cells() []any {
	c := s.first
	recreate := "yes"
	if c.Result == noMore {
		recreate = "no"
	}
	name := c.Container
	if c.Type != "" && c.Type != "container" {
		name += " (" + c.Type + ")"
	}
	return []any{c.Namespace, c.workload(), name, s.pods, strings.Join(s.nodes, ","), strings.ReplaceAll(c.Result, "_", " "), recreate, c.what()}
}

func (r *fleetDiff) summary() string {
	var out strings.Builder
	if r.newAudit {
		fmt.Fprintln(&out, "the new policy is in audit mode: it changes and refuses nothing")
	}
	if len(r.Old) > 1 {
		fmt.Fprintf(&out, "the nodes have different policies now: %s\n", strings.Join(slices.Sorted(maps.Keys(r.Old)), ", "))
	}
	for _, p := range r.Problems {
		fmt.Fprintln(&out, p)
	}
	if r.Elsewhere > 0 {
		fmt.Fprintf(&out, "pods on no node that has an agent, which were not compared: %d\n", r.Elsewhere)
	}
	c := &r.Counts
	fmt.Fprintf(&out, "%d containers in %d pods: %d newly refused, %d no longer refused, %d changed, %d unchanged",
		c.NewlyRefused+c.NoMore+c.Changed+c.Unchanged, c.Pods, c.NewlyRefused, c.NoMore, c.Changed, c.Unchanged)
	if c.BothRefuse > 0 {
		fmt.Fprintf(&out, " (%d refused by both)", c.BothRefuse)
	}
	fmt.Fprintln(&out)
	return out.String()
}
