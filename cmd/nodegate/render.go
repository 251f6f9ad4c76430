// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"path"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/host"
)

func renderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Write a policy in another program's terms",
		Args:  knownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.AddCommand(renderAdmissionCommand(), renderAppArmorCommand(), renderLearnCommand(), renderSystemdCommand())
	return cmd
}

func renderSystemdCommand() *cobra.Command {
	var file, unit, cgroup string
	var command bool
	cmd := &cobra.Command{
		Use:   "systemd",
		Short: "Print the systemd properties that a node in a container needs",
		Long: `A node can be a container, for example of systemd-nspawn. This prints the
properties of the unit that starts it (DeviceAllow=, Delegate= and so on) that
the policy's grants need. Run it on the machine that starts the node, where
globs are looked up. Comments, or stderr, name what systemd cannot express.

Exits with 0, and with 1 if the policy has errors.`,
		Example: `  nodegate render systemd > /etc/systemd/system/systemd-nspawn@.service.d/nodegate.conf
  eval "systemd-run --scope $(nodegate render systemd --command) systemd-nspawn --keep-unit -bD /srv/node"`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			section, ok := unitSections[path.Ext(unit)]
			if !ok {
				return wrong(cmd, "--unit %s is not a unit that a node runs as: name a .service or a .scope", unit)
			}
			if cgroup != "" && cgroup != "v1" && cgroup != "v2" {
				return wrong(cmd, "--cgroup %s is not a version: write v1 or v2", cgroup)
			}
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			machine, err := host.New("/", c.State.ShadowDir)
			if err != nil {
				return err
			}
			if cgroup == "" {
				cgroup = string(machine.Cgroup().Value.Version)
			}
			p := systemdProperties(c.Policy.Needs(), machine, cgroup == "v1")
			if err := machine.Close(); err != nil {
				return err
			}
			if command {
				return errors.Join(p.writeNotes(cmd.ErrOrStderr()), p.writeOptions(cmd.OutOrStdout()))
			}
			return p.writeDropIn(cmd.OutOrStdout(), unit, section)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&unit, "unit", "systemd-nspawn@.service", "write a drop-in of this `unit`")
	cmd.Flags().BoolVar(&command, "command", false, "write options for systemd-run instead, quoted for a shell")
	cmd.Flags().StringVar(&cgroup, "cgroup", "", "the node's cgroup `version`, v1 or v2 (default this machine's)")
	cmd.MarkFlagsMutuallyExclusive("unit", "command")
	return cmd
}

// unitSections are the kinds of unit that a node may be, and the section that the
// properties are in.
var unitSections = map[string]string{".service": "Service", ".scope": "Scope"}
