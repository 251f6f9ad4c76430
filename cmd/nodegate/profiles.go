// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/config"
)

func profilesCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "profiles",
		Short: "List the profiles that grants can name",
		Long: `Lists the built-in profiles and those of the policy. A profile gives nothing by
itself; a grant says who may have it.

Exits with 0, and with 1 if the policy has errors.`,
		Example: `  nodegate profiles`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(path)
			if errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
				c, err = config.Parse("built-in", []byte("version = 1\n"))
			}
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSOURCE\tDESCRIPTION")
			for _, p := range c.Profiles {
				fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, p.Source, p.Description)
			}
			return w.Flush()
		},
	}
	configFlag(cmd, &path)
	return cmd
}
