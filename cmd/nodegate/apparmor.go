// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
	"github.com/nodegate/nodegate/config/deploy"
)

func renderAppArmorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "apparmor",
		Short: "Print the AppArmor profile that allows mounts",
		Long: `Prints the AppArmor profile nodegate-mounts, which the built-in profiles nested
and fuse-mount name. nodegate install loads it on a node with AppArmor.

Exits with 0.`,
		Example: "  nodegate render apparmor | apparmor_parser -r",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(deploy.AppArmor())
			return err
		},
	}
}

// appArmor has this node's kernel take the profile in (-r) or out (-R), and says what to
// run on another.
func (s *systemd) appArmor(ctx context.Context, option string) {
	line := fmt.Sprintf("apparmor_parser %s %s", option, install.AppArmorPath)
	if s.root != "/" {
		fmt.Fprintln(s.w, "On the node:", line)
		return
	}
	fmt.Fprintln(s.w, line)
	if err := install.At(s.root).ParseAppArmor(ctx, option); err != nil {
		s.err = errors.Join(s.err, err)
	}
}
