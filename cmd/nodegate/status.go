// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/serve"
)

func statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the running agent",
		Long: `Asks the agent of this node whether it is registered, which policy is in force
and whether the files hold the same one, what it decided, the last refusals,
and the outdated containers: those that run without what the policy would give
them.

Exits with 0 if the agent is ready, and with 1 if it is not or does not answer;
with --strict also with 1 if a container is outdated or the files hold another
policy.`,
		Example: `  nodegate status
  nodegate status --ready --address tcp://127.0.0.1:9464`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return status(cmd, &o) },
	}
	configFlag(cmd, &o.config)
	cmd.Flags().StringVar(&o.address, "address", "", "where the agent listens: unix://`PATH`, or with --ready tcp://HOST:PORT (default: server.listen)")
	cmd.Flags().StringVarP(&o.output, "output", "o", "table", "the `format`: table or json")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail if a container is outdated or the files hold another policy")
	cmd.Flags().BoolVar(&o.ready, "ready", false, "for a probe: only whether it is registered and has the policy of its files")
	return cmd
}

type statusOptions struct {
	config, address, output string
	strict, ready           bool
}

// statusReport is what an agent says, and how the files compare with it.
type statusReport struct {
	serve.Status
	// Differs says how the policy in the files differs from the agent's; "" if
	// it does not.
	Differs string `json:"differs,omitempty"`
}

func status(cmd *cobra.Command, o *statusOptions) error {
	if o.output != "table" && o.output != "json" {
		return wrong(cmd, "there is no output %q: write -o table or -o json", o.output)
	}
	if o.ready && (o.strict || cmd.Flags().Changed("output")) {
		return wrong(cmd, "--ready prints one line: leave --strict and --output out")
	}
	address, err := o.where()
	if err != nil {
		return err
	}
	if o.ready {
		return ready(cmd, address)
	}
	var r statusReport
	if r.Status, err = serve.Ask(cmd.Context(), address); err != nil {
		return err
	}
	path := o.config
	if !cmd.Flags().Changed("config") && len(r.Policy.Files) > 0 {
		path = r.Policy.Files[0]
	}
	r.Differs = differs(path, &r.Policy)

	if o.output == "json" {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		err = e.Encode(&r)
	} else {
		err = r.print(cmd.OutOrStdout())
	}
	switch {
	case err != nil:
		return err
	case !r.Ready:
		return fmt.Errorf("the agent is not ready: %s", r.NotReady)
	case o.strict && len(r.Outdated) > 0:
		return fmt.Errorf("%d containers run without what the policy would give them", len(r.Outdated))
	case o.strict && r.Differs != "":
		return errors.New(r.Differs)
	}
	return nil
}

// where is the address to ask: the first one that can answer.
func (o *statusOptions) where() (string, error) {
	if o.address != "" {
		return o.address, nil
	}
	all := config.Listen(o.config)
	for _, address := range all {
		if o.ready || strings.HasPrefix(address, "unix://") {
			return address, nil
		}
	}
	if len(all) > 0 {
		return all[0], nil // which says why it is of no use
	}
	return "", errors.New("the policy's server.listen is empty, so the agent cannot be asked: write server.listen = \"unix:///run/nodegate/nodegate.sock\"")
}

// ready is for a probe, whose words end up in the events of the agent's pod. That a
// new policy has errors is one of its reasons: the agent goes on with the former, and
// somebody has to be told.
func ready(cmd *cobra.Command, address string) error {
	a, err := serve.AskReady(cmd.Context(), address)
	switch {
	case err != nil:
		return err
	case !a.Ready:
		return fmt.Errorf("the agent is not ready: %s", a.Says)
	case a.Says != "":
		return errors.New(a.Says)
	}
	fmt.Fprintln(cmd.OutOrStdout(), "ready")
	return nil
}

// differs compares what the files hold with what the agent has.
func differs(path string, have *serve.Policy) string {
	c, err := config.Load(path)
	switch {
	case err != nil:
		return fmt.Sprintf("the agent has policy %s, and the files hold none that it could load: see nodegate check --config %s", have.Hash, path)
	case c.Hash != have.Hash:
		return fmt.Sprintf("the agent has policy %s, and the files hold %s: a moment after a change that is so; otherwise send the agent SIGHUP, and look at its log", have.Hash, c.Hash)
	}
	return ""
}
