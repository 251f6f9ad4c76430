// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
)

func uninstallCommand() *cobra.Command {
	var root string
	var purge, dryRun, restart bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take nodegate off this node again",
		Long: `Puts every file back as it was before nodegate install, byte for byte. Where
somebody has changed the rest of a file since, only what nodegate added is taken
out; where that cannot be told apart, it refuses and says what to do. The policy
and runc.toml stay if they were changed; --purge removes them, and the agent's
state.

The wrapper stays while containers run under it, as containerd needs it to stop
them; uninstall again when they are gone.

Exits with 0 when all is gone, and with 1 if something stays, or if nothing was
changed because of an error.`,
		Example: `  nodegate uninstall --dry-run
  nodegate uninstall --purge --restart`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkRoot(&root, restart, dryRun); err != nil {
				return err
			}
			r, err := install.NewRemoval(root, purge)
			if err != nil {
				return err
			}
			s := systemd{w: cmd.OutOrStdout(), live: root == "/" && runsSystemd()}
			return remove(cmd.Context(), cmd.OutOrStdout(), r, &s, dryRun, restart)
		},
	}
	rootFlag(cmd, &root)
	f := cmd.Flags()
	f.BoolVar(&purge, "purge", false, "remove the policy and the agent's state as well")
	f.BoolVar(&restart, "restart", false, "restart containerd")
	f.BoolVar(&dryRun, "dry-run", false, "print what would change, and change nothing")
	return cmd
}

func remove(ctx context.Context, w io.Writer, r *install.Removal, s *systemd, dryRun, restart bool) error {
	notes(w, &r.Plan)
	switch {
	case dryRun:
		return errors.Join(writeDryRun(w, r), stays(r))
	case r.Empty():
		if !r.Installed {
			fmt.Fprintln(w, "nothing is installed")
		}
		return stays(r)
	}
	if r.Unit {
		s.run(ctx, "disable", "--now", "nodegate")
	}
	if err := r.Apply(); err != nil {
		if r.Unit {
			s.run(ctx, "enable", "--now", "--no-block", "nodegate")
		}
		return errors.Join(fmt.Errorf("nothing was changed: %w", err), s.err)
	}
	changed(w, &r.Plan)
	if r.Unit {
		s.run(ctx, "daemon-reload")
	}
	switch {
	case r.Reread && restart:
		s.run(ctx, append([]string{"restart"}, r.Units...)...)
	case r.Reread:
		fmt.Fprintf(w, "For containerd to take this up: systemctl restart %s\n", strings.Join(r.Units, " "))
		fmt.Fprintln(w, "Until then pods of the handler nodegate do not start, nor any others if it is the default.")
	}
	return errors.Join(s.err, stays(r))
}

// stays says that the wrapper is still there, and why.
func stays(r *install.Removal) error {
	if len(r.Containers) == 0 {
		return nil
	}
	return fmt.Errorf("nodegate-runc and runc.toml stay for %d containers that were created by it and could not be stopped without it (%s): delete their pods, and run nodegate uninstall again",
		len(r.Containers), strings.Join(r.Containers[:min(3, len(r.Containers))], ", "))
}
