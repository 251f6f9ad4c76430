// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

type refusalsOptions struct {
	output string
	all    bool
	since  time.Duration
}

func refusalsCommand(o *options) *cobra.Command {
	r := &refusalsOptions{}
	cmd := &cobra.Command{
		Use:   "refusals",
		Short: "Show the containers that agents have refused, the latest first",
		Long: `Shows the last refusals of each agent: which container of which pod, why, and
with which code. In audit mode they are those that would have been refused. An
agent keeps its last 32 since its start; where there were more, it is said. All
of them are in the agents' logs and audit logs.

Exits with 0 if all agents answer, and with 1 if one does not.`,
		Example: `  kubectl nodegate refusals -A --since 1h
  kubectl nodegate refusals -n ci -o yaml`,
		Args: noArguments,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if r.since < 0 {
				return usage(cmd, "--since has to be more than 0")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return o.showRefusals(cmd.Context(), r) },
	}
	cmd.Flags().BoolVarP(&r.all, "all-namespaces", "A", false, "those of all namespaces")
	cmd.Flags().DurationVar(&r.since, "since", 0, "only those of the last `time`, such as 1h")
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
	now := time.Now()
	list, elsewhere := r.of(answers, a.namespace, now)
	switch {
	case r.output == "json" || r.output == "yaml":
		err = writeValue(o.Out, r.output, map[string]any{"refusals": list})
	case len(list) == 0:
		_, err = io.WriteString(o.ErrOut, "No refusals found.\n")
	default:
		err = newTableWriter(o.Out, r.output == "wide", refusalColumns).write(refusalRows(list, now))
	}
	if err != nil {
		return err
	}
	if elsewhere > 0 {
		fmt.Fprintf(o.ErrOut, "Refusals in other namespaces than %q: %d. -A shows them.\n", a.namespace, elsewhere)
	}
	r.unkept(o.ErrOut, answers, now)
	return unanswered(o, answers)
}

// of are the refusals to show, the latest first, and how many are of other namespaces.
func (r *refusalsOptions) of(answers []fleet.Answer[agentStatus], namespace string, now time.Time) (list []refusal, elsewhere int) {
	list = []refusal{} // [] in JSON, and not null
	for i := range answers {
		for _, e := range answers[i].Value.Refusals {
			switch {
			case r.since > 0 && now.Sub(e.Time) > r.since:
			case r.all || e.Namespace == namespace:
				list = append(list, refusal{e, answers[i].Node.Name})
			default:
				elsewhere++
			}
		}
	}
	slices.SortStableFunc(list, func(a, b refusal) int { return b.Time.Compare(a.Time) })
	return list, elsewhere
}

// unkept says which agents have refused more than they keep, of all namespaces, in the
// time that is asked for.
func (r *refusalsOptions) unkept(out io.Writer, answers []fleet.Answer[agentStatus], now time.Time) {
	var nodes []string
	for i := range answers {
		s := &answers[i].Value
		kept := len(s.Refusals)
		if kept == 0 || s.Decisions.Refused <= uint64(kept) || r.since > 0 && now.Sub(s.Refusals[kept-1].Time) > r.since {
			continue
		}
		nodes = append(nodes, fmt.Sprintf("%s %d of %d in %s", answers[i].Node.Name, kept, s.Decisions.Refused, duration.HumanDuration(now.Sub(s.Started))))
	}
	const shown = 10
	if n := len(nodes); n > shown {
		nodes = append(nodes[:shown], fmt.Sprintf("and %d more nodes", n-shown))
	}
	if len(nodes) > 0 {
		_ = printers.WriteEscaped(out, "Kept by the agents: "+strings.Join(nodes, ", ")+". Earlier ones are in their logs.\n") // as with any note
	}
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
