// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
)

type refusalsOptions struct {
	output string
	all    bool
}

func refusalsCommand(o *options) *cobra.Command {
	r := &refusalsOptions{}
	cmd := &cobra.Command{
		Use:   "refusals",
		Short: "Show the containers that agents have refused, the latest first",
		Long: `Shows the last ten refusals of each agent since its start: which container of
which pod, why, and with which code. In audit mode they are those that would have
been refused. All of them are in the agents' logs and audit logs.

Exits with 0 if all agents answer, and with 1 if one does not.`,
		Example: `  kubectl nodegate refusals -A
  kubectl nodegate refusals -n ci -o yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.showRefusals(cmd.Context(), r) },
	}
	cmd.Flags().BoolVarP(&r.all, "all-namespaces", "A", false, "those of all namespaces")
	outputFlag(cmd, &r.output, "wide", "json", "yaml")
	return cmd
}

// refusal is a container that was refused.
type refusal struct {
	agentEvent
	Node string `json:"node"`
}

func (o *options) showRefusals(ctx context.Context, r *refusalsOptions) error {
	a, err := o.connect(ctx)
	if err != nil {
		return err
	}
	answers := a.statuses(ctx)
	list := []refusal{}
	for i := range answers {
		for _, e := range answers[i].Value.Refusals {
			if r.all || e.Namespace == a.namespace {
				list = append(list, refusal{e, answers[i].Node.Name})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b refusal) int { return b.Time.Compare(a.Time) })
	switch {
	case r.output == "json" || r.output == "yaml":
		err = writeValue(o.Out, r.output, map[string]any{"refusals": list})
	case len(list) == 0:
		_, err = o.ErrOut.Write([]byte("No refusals found.\n"))
	default:
		err = newTableWriter(o.Out, r.output == "wide", refusalColumns).write(refusalRows(list, time.Now()))
	}
	if err != nil {
		return err
	}
	return unanswered(o, answers)
}

var refusalColumns = []column{{"Age", false}, {"Namespace", false}, {"Pod", false}, {"Container", false}, {"Node", true}, {"Audit", true}, {"Code", false}, {"Why", false}}

func refusalRows(list []refusal, now time.Time) [][]any {
	var rows [][]any
	for i := range list {
		r := &list[i]
		rows = append(rows, []any{duration.HumanDuration(now.Sub(r.Time)), r.Namespace, r.Pod, r.Container, r.Node, r.Audit, r.Code, sentence(r.Text, r.Code)})
	}
	return rows
}

// sentence is a refusal without what the other columns say.
func sentence(text, code string) string {
	return strings.TrimSuffix(strings.TrimPrefix(text, "nodegate: "), " ["+code+"]")
}
