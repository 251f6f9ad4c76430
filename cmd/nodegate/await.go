// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/await"
)

// awaitCommand is for an image that has no shell and no sleep.
func awaitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "await",
		Hidden: true,
		Short:  "Wait in a pod, for the chart's hooks",
		Long:   "Waits in a pod of the chart: until the pod ends, or until a DaemonSet is ready.",
		Args:   knownCommand,
		RunE:   func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(awaitSignalCommand(), awaitDaemonSetCommand())
	return cmd
}

func awaitSignalCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "signal",
		Short: "Wait until SIGTERM",
		Long: `Does nothing until SIGTERM or SIGINT. It is the main container of a DaemonSet
whose init container does the work.

Exits with 0.`,
		Example: `  nodegate await signal`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), "waiting for SIGTERM")
			<-cmd.Context().Done()
			return nil
		},
	}
}

func awaitDaemonSetCommand() *cobra.Command {
	var namespace string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "daemonset NAME",
		Short: "Wait until all pods of a DaemonSet are ready",
		Long: `Asks the API server until every pod of the DaemonSet is ready. After the
timeout it prints why the others are not. The pod's service account must be
allowed to get the DaemonSet and to list pods.

Exits with 0 when all are ready, and with 1 if they are not in time.`,
		Example: `  nodegate await daemonset nodegate-uninstall --namespace nodegate --timeout 5m`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return wrong(cmd, "name one DaemonSet")
			}
			if timeout <= 0 {
				return wrong(cmd, "--timeout %s is not a time to wait: write for example 5m", timeout)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := await.InCluster(await.Account)
			if err != nil {
				return err
			}
			if namespace == "" {
				namespace = c.Namespace
			}
			if namespace == "" {
				return wrong(cmd, "say the DaemonSet's namespace by --namespace")
			}
			return c.DaemonSet(cmd.Context(), cmd.OutOrStdout(), namespace, args[0], timeout, 2*time.Second)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&namespace, "namespace", "n", "", "the DaemonSet's `namespace` (default the pod's own)")
	f.DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait, a `duration` such as 5m")
	return cmd
}
