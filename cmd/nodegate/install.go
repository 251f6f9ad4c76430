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
	"github.com/nodegate/nodegate/plugin/host"
)

func installCommand() *cobra.Command {
	var o install.Options
	var dryRun, restart, noSystemd bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Put nodegate on this node",
		Long: `Installs the programs, the runtime handler "nodegate", NRI and its validator, a
systemd unit, the wrapper's configuration and, if there is none, a policy that
grants nothing. Either all of it is done or nothing. If it does not understand
a file, it says what to write by hand. To upgrade, install again.

It starts the agent. It restarts the runtime only with --restart, and only if
its configuration changed since its last start.

Exits with 0 when everything is in place, and with 1 after an error; nothing is
changed then, unless the error says otherwise.`,
		Example: `  nodegate install --dry-run
  nodegate install --restart
  nodegate install --root /host --no-agent --exempt-namespace kube-system`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Unit = !noSystemd && !o.NoAgent
			if err := checkRoot(&o.Root, dryRun); err != nil {
				return err
			}
			if !o.NoAgent && o.Agent != (install.AgentDirs{}) {
				return wrong(cmd, "--state-dir and --shadow-dir are about an agent that runs as a pod: give --no-agent too, or write dir and shadow_dir under [state] in the policy")
			}
			s, err := newSystemd(cmd.Context(), cmd.OutOrStdout(), o.Root, restart, dryRun)
			if err != nil {
				return err
			}
			defer s.close()
			o.AppArmor = host.AppArmor("").Value.Enabled
			plan, err := install.NewPlan(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := carryOut(cmd.Context(), s, plan, o, dryRun, restart); err != nil || dryRun {
				return err
			}
			if err := plan.NoteHandlers(); err != nil { // all else is in place
				fmt.Fprintln(s.w, "note: no word of the runtime handlers is left for the agent:", err)
			}
			return nil
		},
	}
	rootFlag(cmd, &o.Root)
	f := cmd.Flags()
	f.StringVar(&o.Layout, "layout", "auto", "the `layout`: "+strings.Join(install.Layouts, ", "))
	f.StringVar(&o.Config, "config", "", "the runtime's configuration `file` (default the layout's)")
	f.StringVar(&o.Containerd, "containerd-version", "", "containerd's `version`, if it cannot be asked")
	f.StringVar(&o.Prefix, "prefix", "", "the `folder` for the programs (default /usr/local/bin, or /opt/nodegate/bin if /usr is read-only)")
	f.StringVar(&o.From, "from", "", "the `folder` of the programs to copy (default this program's)")
	f.BoolVar(&o.DefaultRuntime, "default-runtime", false, "make the wrapper the runtime of all pods")
	f.StringArrayVar(&o.Wrap, "wrap-runtime", nil, "wrap this `handler` too, as nodegate-HANDLER; may be repeated")
	f.StringArrayVar(&o.Exempt, "exempt-namespace", nil, "a `namespace` whose pods need no agent; may be repeated (default kube-system and nodegate)")
	f.BoolVar(&o.EditManaged, "edit-managed", false, "edit a configuration although a tool manages it")
	f.BoolVar(&noSystemd, "no-systemd", false, "do not add a systemd unit")
	f.BoolVar(&o.NoAgent, "no-agent", false, "the agent runs as a pod: add no unit and no policy")
	agentFlags(cmd, &o.Agent)
	f.BoolVar(&restart, "restart", false, "restart the runtime and the agent, if their files changed since")
	f.BoolVar(&dryRun, "dry-run", false, "print what would change; change nothing")
	return cmd
}

func rootFlag(cmd *cobra.Command, root *string) {
	cmd.Flags().StringVar(root, "root", "/", "the `folder` that is the host's root")
}

func agentFlags(cmd *cobra.Command, dirs *install.AgentDirs) {
	f := cmd.Flags()
	f.StringVar(&dirs.State, "state-dir", "", "`state.dir` of a pod's agent (default /run/nodegate)")
	f.StringVar(&dirs.Shadows, "shadow-dir", "", "`state.shadow_dir` of a pod's agent (default /dev/.udev/nodegate)")
}

// checkRoot refuses what cannot end well, before anything is looked at.
func checkRoot(root *string, dryRun bool) error {
	info, err := os.Stat(*root)
	if abs, err := filepath.Abs(*root); err == nil {
		*root = abs
	}
	switch {
	case err != nil:
		return fmt.Errorf("--root: %w", err)
	case !info.IsDir():
		return fmt.Errorf("--root %s is not a directory: name the host's root", *root)
	case *root == "/" && os.Geteuid() != 0 && !dryRun:
		return errors.New("only root can change a node: run it as root, or with --dry-run to see what it would do")
	}
	return nil
}

func carryOut(ctx context.Context, s *systemd, plan *install.Plan, o install.Options, dryRun, restart bool) error {
	if plan.Empty() && (dryRun || !restart || !plan.Owed && (!o.Unit || s.upToDate(ctx, "nodegate", plan))) {
		if plan.Owed {
			fmt.Fprintf(s.w, "nothing to do, but %s has not been restarted since: systemctl restart %s\n", plan.Runtime(), strings.Join(plan.Units, " "))
			return nil
		}
		fmt.Fprintln(s.w, "nothing to do")
		return nil
	}
	notes(s.w, plan)
	if dryRun {
		return writeDryRun(s.w, plan)
	}
	var units []string // to be restarted
	if restart && (plan.Reread || plan.Owed) {
		var err error
		if units, err = s.running(ctx, plan.Units); err != nil {
			return err
		}
	}
	if err := plan.Apply(); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	changed(s.w, plan)
	if plan.ChangesAppArmor() {
		s.appArmor(ctx, "-r")
	}
	if len(units) > 0 {
		if err := takeUp(ctx, s, plan, units); err != nil {
			return err
		}
	} else if plan.Reread || plan.Owed {
		fmt.Fprintf(s.w, "For %s to take this up: systemctl restart %s\n", plan.Runtime(), strings.Join(plan.Units, " "))
	}
	if !o.NoAgent {
		startAgent(ctx, s, plan, o, restart)
	}
	return s.err
}

// takeUp restarts containerd. One that does not start gets its former configuration back.
func takeUp(ctx context.Context, s *systemd, plan *install.Plan, units []string) error {
	err := s.restartRuntime(ctx, plan, units)
	if err == nil {
		return plan.Restarted()
	}
	if !plan.Reread {
		return fmt.Errorf("%s does not start with what was installed before: %w\nnodegate uninstall takes it away again", plan.Runtime(), err)
	}
	if undo := plan.Undo(); undo != nil {
		return fmt.Errorf("%s does not start with this configuration: %w\nand it could not be put back: %w", plan.Runtime(), err, undo)
	}
	if again := s.restartRuntime(ctx, plan, units); again != nil {
		return fmt.Errorf("%s did not start with this configuration, and does not with its former one, which it has again: %w", plan.Runtime(), errors.Join(err, again))
	}
	return fmt.Errorf("all is as it was before: %s did not start with this configuration, and runs with its former one again: %w", plan.Runtime(), err)
}

// startAgent has systemd run the agent. One that runs goes on unless a restart is wanted
// and it has something to read: a restart leaves the node without an agent for a moment.
func startAgent(ctx context.Context, s *systemd, plan *install.Plan, o install.Options, restart bool) {
	if o.Unit {
		// In this order, as systemctl does it: enabling changes what is on the disk.
		s.enable(ctx, "nodegate")
		s.reload(ctx)
	}
	switch {
	case o.Unit && restart && s.upToDate(ctx, "nodegate", plan):
	case o.Unit && restart:
		s.restart(ctx, "nodegate")
	case restart:
	case o.DefaultRuntime && plan.Reread:
		// An agent that takes the default handler for the wrapper's would refuse it.
		fmt.Fprintf(s.w, "Then start the agent: systemctl restart nodegate. One that runs refuses every pod until %s is restarted.\n", plan.Runtime())
	case o.Unit:
		s.start(ctx, "nodegate")
		fmt.Fprintln(s.w, "An agent that ran before is still the old one until: systemctl restart nodegate")
	}
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
