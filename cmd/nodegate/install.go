// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
)

func installCommand() *cobra.Command {
	var o install.Options
	var dryRun, restart, noSystemd bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put nodegate on this node",
		Long: `Copies the programs, tells containerd of the runtime handler "nodegate",
switches NRI and its default validator on, and adds a systemd unit, the
wrapper's configuration and, where there is none, a policy that grants nothing.
What is there already and right stays; what it does not understand it refuses,
with what to write by hand. Either all of it is done or nothing.

It starts the agent, and restarts containerd only with --restart. nodegate
uninstall takes all of it away again. Install again to upgrade.

Exits with 0 when all is in place, also where it was before, and with 1 if
nothing was changed because of an error.`,
		Example: `  nodegate install --dry-run
  nodegate install --restart
  nodegate install --root /host --layout k3s`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Unit = !noSystemd
			if err := checkRoot(&o.Root, restart, dryRun); err != nil {
				return err
			}
			plan, err := install.NewPlan(cmd.Context(), o)
			if err != nil {
				return err
			}
			return carryOut(cmd.Context(), cmd.OutOrStdout(), plan, o, dryRun, restart)
		},
	}
	rootFlag(cmd, &o.Root)
	f := cmd.Flags()
	f.StringVar(&o.Layout, "layout", "auto", "the `layout`, how containerd is run: "+strings.Join(install.Layouts, ", "))
	f.StringVar(&o.Config, "config", "", "containerd's configuration `file` (default the layout's)")
	f.StringVar(&o.Containerd, "containerd-version", "", "containerd's `version`, where it cannot be asked")
	f.StringVar(&o.Prefix, "prefix", "", "the `folder` for the programs (default /usr/local/bin, or /opt/nodegate/bin where /usr is read-only)")
	f.StringVar(&o.From, "from", "", "the `folder` that nodegate and nodegate-runc are copied from (default that of this program)")
	f.BoolVar(&o.DefaultRuntime, "default-runtime", false, "make the wrapper the runtime of all pods")
	f.BoolVar(&o.EditManaged, "edit-managed", false, "edit a configuration that says that a tool manages it")
	f.BoolVar(&noSystemd, "no-systemd", false, "add no systemd unit")
	f.BoolVar(&restart, "restart", false, "restart containerd, and the agent")
	f.BoolVar(&dryRun, "dry-run", false, "print what would change, and change nothing")
	return cmd
}

func rootFlag(cmd *cobra.Command, root *string) {
	cmd.Flags().StringVar(root, "root", "/", "the `folder` where the host's files are")
}

// checkRoot refuses what cannot end well, before anything is looked at.
func checkRoot(root *string, restart, dryRun bool) error {
	info, err := os.Stat(*root)
	if abs, err := filepath.Abs(*root); err == nil {
		*root = abs
	}
	switch {
	case err != nil:
		return fmt.Errorf("--root: %w", err)
	case !info.IsDir():
		return fmt.Errorf("--root %s is no directory: write where the host's files are", *root)
	case restart && *root != "/":
		return errors.New("--restart works on this machine only: leave it out with --root, and restart containerd on the host")
	case *root == "/" && os.Geteuid() != 0 && !dryRun:
		return errors.New("only root can change a node: run it as root, or with --dry-run to see what it would do")
	}
	return nil
}

func carryOut(ctx context.Context, w io.Writer, plan *install.Plan, o install.Options, dryRun, restart bool) error {
	if plan.Empty() && (dryRun || !restart) {
		fmt.Fprintln(w, "nothing to do")
		return nil
	}
	notes(w, plan)
	if dryRun {
		return writeDryRun(w, plan)
	}
	if err := plan.Apply(); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	changed(w, plan)
	s := systemd{w: w, live: o.Root == "/" && runsSystemd()}
	if o.Unit {
		s.run(ctx, "daemon-reload")
		s.run(ctx, "enable", "nodegate")
	}
	switch {
	case restart:
		s.run(ctx, append([]string{"restart"}, plan.Units...)...)
		if o.Unit {
			s.run(ctx, "restart", "--no-block", "nodegate")
		}
	case plan.Reread:
		fmt.Fprintf(w, "For containerd to take this up: systemctl restart %s\n", strings.Join(plan.Units, " "))
		if o.DefaultRuntime {
			// An agent that takes the default handler for the wrapper's would refuse it.
			fmt.Fprintln(w, "Then start the agent: systemctl restart nodegate. One that runs refuses every pod until containerd is restarted.")
			break
		}
		fallthrough
	default:
		if o.Unit {
			s.run(ctx, "start", "--no-block", "nodegate")
			fmt.Fprintln(w, "An agent that ran before goes on as it is until: systemctl restart nodegate")
		}
	}
	return s.err
}

func notes(w io.Writer, plan *install.Plan) {
	for _, note := range plan.Notes {
		fmt.Fprintln(w, "note:", note)
	}
}

func changed(w io.Writer, plan *install.Plan) {
	for _, c := range plan.Changed() {
		fmt.Fprintf(w, "%s: %s\n", c.Path, c.Summary())
	}
}
