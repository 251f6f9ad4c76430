// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/config"
)

func checkCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Read a policy and say what is wrong with it",
		Long: `Reads a policy as the agent would and reports everything that is wrong with it,
with file, line and what to write instead.

Exits with 0 if there are no errors and with 1 if there are any.`,
		Example: "  nodegate check --config /etc/nodegate/config.toml",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no errors (policy %s)\n", path, c.Hash)
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}
