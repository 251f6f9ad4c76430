// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
)

func uninstallCommand() *cobra.Command {
	var o install.RemovalOptions
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove nodegate from this node",
		Long: `Puts every file back as it was before nodegate install, byte for byte. If a
file has changed since, only nodegate's lines are removed; if they cannot be
told apart, it refuses and says what to do. A policy and runc.toml that were
changed stay, unless --purge is given.

The programs stay while containers run under the wrapper: the runtime needs it
to stop them. Uninstall again when they are gone.

Exits with 0 when all is gone, and with 1 if something stays, or if nothing was
changed because of an error.`,
		Example: `  nodegate uninstall --dry-run
  nodegate uninstall --purge --restart`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkRoot(&o.Root, dryRun); err != nil {
				return err
			}
			s, err := newSystemd(cmd.Context(), cmd.OutOrStdout(), o.Root, o.Restart, dryRun)
			if err != nil {
				return err
			}
			defer s.close()
			r, err := removal(cmd.Context(), s.w, o, dryRun)
			if err != nil {
				return err
			}
			return remove(cmd.Context(), s, r, o, dryRun)
		},
	}
	rootFlag(cmd, &o.Root)
	f := cmd.Flags()
	f.BoolVar(&o.Purge, "purge", false, "remove the policy (not with --no-agent) and the agent's directories too")
	f.BoolVar(&o.NoAgent, "no-agent", false, "the agent ran as a pod: keep the node's own")
	f.BoolVar(&o.Restart, "restart", false, "restart the runtime, if its configuration changed since")
	f.BoolVar(&dryRun, "dry-run", false, "print what would change; change nothing")
	agentFlags(cmd, &o.Agent)
	return cmd
}

// endingTime bounds the wait for containers that are ending: the kubelet says that a pod
// is gone when its processes are, and containerd removes the rest after that.
const endingTime = 15 * time.Second

// removal plans, once what is ending has ended.
func removal(ctx context.Context, w io.Writer, o install.RemovalOptions, dryRun bool) (*install.Removal, error) {
	ctx, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	for said := false; ; said = true {
		r, err := install.NewRemoval(o)
		if err != nil || dryRun || len(r.Ending) == 0 || ctx.Err() != nil {
			return r, err
		}
		if !said {
			fmt.Fprintf(w, "waiting for what is ending: %s\n", some(r.Ending))
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func remove(ctx context.Context, s *systemd, r *install.Removal, o install.RemovalOptions, dryRun bool) error {
	notes(s.w, &r.Plan)
	switch {
	case dryRun:
		return errors.Join(writeDryRun(s.w, r), stays(r))
	case !r.Installed:
		fmt.Fprintln(s.w, "nothing is installed")
	}
	due := r.Reread || r.Owed
	var units []string // to be restarted
	if due && o.Restart {
		var err error
		if units, err = s.running(ctx, r.Units); err != nil {
			return err
		}
	}
	if r.Unit {
		s.disable(ctx, "nodegate")
	}
	if r.ChangesAppArmor() {
		s.appArmor(ctx, "-R") // while the file is there, which says what to remove
	}
	if err := r.Apply(); err != nil {
		if r.Unit {
			s.enable(ctx, "nodegate")
			s.start(ctx, "nodegate")
		}
		return errors.Join(fmt.Errorf("nothing was changed: %w", err), s.err)
	}
	changed(s.w, &r.Plan)
	if r.Unit {
		s.reload(ctx)
	}
	return errors.Join(s.err, forget(ctx, s, r, due, units, o.Restart), stays(r))
}

// forget has containerd read its own configuration again.
func forget(ctx context.Context, s *systemd, r *install.Removal, due bool, units []string, restart bool) error {
	switch {
	case len(units) > 0:
		if err := s.restartRuntime(ctx, &r.Plan, units); err != nil {
			return fmt.Errorf("the files are gone, and %s was not restarted: %w", r.Runtime(), err)
		}
	case due:
		fmt.Fprintf(s.w, "For %s to take this up: systemctl restart %s\n", r.Runtime(), strings.Join(r.Units, " "))
		fmt.Fprintln(s.w, "Until then pods of the handler nodegate do not start, nor any others if it is the default.")
	}
	if restart {
		return r.Restarted()
	}
	return nil
}

// stays says that the wrapper is still there, and why.
func stays(r *install.Removal) error {
	if len(r.Containers) == 0 {
		return nil
	}
	which := some(r.Containers)
	if len(r.Pods) > 0 {
		which = "of " + some(r.Pods)
	}
	return fmt.Errorf("nodegate, nodegate-runc and runc.toml stay for %d containers that were created by it and could not be stopped without it (%s): delete their pods, and run nodegate uninstall again",
		len(r.Containers), which)
}

// some names the first of many.
func some(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
