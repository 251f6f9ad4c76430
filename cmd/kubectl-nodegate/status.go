// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

// agentStatus is what nodegate status -o json prints, as far as it is shown here. Agents
// of other versions may leave members out, and have others.
type agentStatus struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Ready    bool      `json:"ready"`
	NotReady string    `json:"notReady"`
	Runtime  string    `json:"runtime"`
	Policy   struct {
		Hash     string    `json:"hash"`
		Mode     string    `json:"mode"`
		LoadedAt time.Time `json:"loadedAt"`
		Failed   string    `json:"failed"`
	} `json:"policy"`
	Containers struct {
		All      int `json:"all"`
		Adjusted int `json:"adjusted"`
		Outdated int `json:"outdated"`
	} `json:"containers"`
	Decisions struct {
		Refused uint64 `json:"refused"`
	} `json:"decisions"`
	Resources []struct {
		Name    string `json:"name"`
		Units   int    `json:"units"`
		Healthy int    `json:"healthy"`
		Why     string `json:"why"`
	} `json:"resources"`
	Profiles []agentProfile `json:"profiles"` // nil from agents that do not tell
	Refusals []agentEvent   `json:"refusals"`
	Outdated []agentEvent   `json:"outdated"`

	whole json.RawMessage
}

// agentProfile is a profile of the policy.
type agentProfile struct {
	Name    string `json:"name"`
	Granted bool   `json:"granted"`
	Carried bool   `json:"carried"` // this node can give it
	Why     string `json:"why"`     // it cannot
}

// agentEvent is what came of a container.
type agentEvent struct {
	Time      time.Time `json:"time"`
	Audit     bool      `json:"auditMode"`
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Code      string    `json:"code"`
	Subject   string    `json:"subject,omitempty"`
	Text      string    `json:"text"`
	Remedy    string    `json:"remedy,omitempty"`
}

// statuses asks all agents for their status.
func (a *agents) statuses(ctx context.Context) []fleet.Answer[agentStatus] {
	return fleet.Ask(ctx, a.nodes, a.limits, a.status)
}

func (a *agents) status(ctx context.Context, n *fleet.Node) (agentStatus, error) {
	var s agentStatus
	out, err := a.exec.Run(ctx, n.Agent, nil, "status", "-o", "json")
	// An agent that is not ready says so by its exit code too.
	if exit := (*fleet.ExitError)(nil); err != nil && (!errors.As(err, &exit) || len(out) == 0) {
		return s, a.ofOtherVersion(ctx, n, err)
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return s, fmt.Errorf("does not answer as a nodegate agent: %w", err)
	}
	s.whole = out
	return s, nil
}

type statusOptions struct {
	output   string
	watch    bool
	interval time.Duration
}

func statusCommand(o *options) *cobra.Command {
	s := &statusOptions{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the agent of each node, those with problems first",
		Long: `Shows a line for each node: whether its agent is registered with the runtime,
which policy it has and for how long, how many running containers it has
adjusted, how many it has refused since its start, how many are outdated (run
without what the policy would give them), how many of the granted profiles the
node can give (which, with -o wide; why not, with -o json), and its resources.
"-" is what an agent does not tell.

STATUS is NoAgent, NoAnswer, NotReady (not registered), NotReloaded (the files
hold a policy with errors), OtherPolicy or OtherVersion (than most nodes),
Outdated or Ready.

Exits with 0 if all agents answer, and with 1 if one does not.`,
		Example: `  kubectl nodegate status
  kubectl nodegate status -o wide -w`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.showStatus(cmd.Context(), s) },
	}
	f := cmd.Flags()
	f.BoolVarP(&s.watch, "watch", "w", false, "keep running, and print what changes")
	f.DurationVar(&s.interval, "interval", 10*time.Second, "the `time` between two updates with --watch")
	outputFlag(cmd, &s.output, "wide", "json", "yaml")
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case s.watch && (s.output == "json" || s.output == "yaml"):
			return usage(cmd, "--watch prints a table: leave -o %s out", s.output)
		case s.interval <= 0:
			return usage(cmd, "--interval has to be more than 0")
		}
		return check(cmd, args)
	}
	return cmd
}

func (o *options) showStatus(ctx context.Context, s *statusOptions) error {
	a, err := o.connect(ctx)
	if err != nil {
		return err
	}
	answers := a.statuses(ctx)
	if s.output == "json" || s.output == "yaml" {
		if err := writeValue(o.Out, s.output, statusList(answers)); err != nil {
			return err
		}
		return unanswered(o, answers)
	}
	table := newTableWriter(o.Out, s.output == "wide", statusColumns)
	seen := map[string]string{}
	if err := table.write(changedRows(answers, seen, time.Now())); err != nil || !s.watch {
		return errors.Join(err, unanswered(o, answers))
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.interval):
		}
		// Nodes come and go.
		if a.nodes, err = fleet.Find(ctx, a.core, o.place); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		answers = a.statuses(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if rows := changedRows(answers, seen, time.Now()); len(rows) > 0 {
			if err := table.write(rows); err != nil {
				return err
			}
		}
	}
}
