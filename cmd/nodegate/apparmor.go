// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
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

// appArmor has the node's kernel take the profile in (-r) or out (-R). A container may
// not do so itself, and asks the node's systemd.
func (s *systemd) appArmor(ctx context.Context, option string) {
	fmt.Fprintf(s.w, "apparmor_parser %s %s\n", option, install.AppArmorPath)
	at := install.At(s.root)
	var err error
	switch {
	case s.root == "/":
		err = at.ParseAppArmor(ctx, option)
	case !at.RunsSystemd():
		fmt.Fprintln(s.w, "That is to be run on the node: no systemd runs it.")
	default:
		err = s.appArmorOf(ctx, at, option)
	}
	s.err = errors.Join(s.err, err)
}

// appArmorOf runs the host's parser as a service of the host.
func (s *systemd) appArmorOf(ctx context.Context, at install.Tree, option string) error {
	parser, err := at.AppArmorParser()
	if err != nil {
		return err
	}
	bus := s.bus
	if bus == nil {
		if bus, err = at.Systemd(ctx); err != nil {
			return fmt.Errorf("asking systemd of the host at %s for %s: %w", s.root, parser, err)
		}
		defer bus.Close()
	}
	service := []dbus.Property{dbus.PropType("oneshot"), dbus.PropDescription("nodegate's AppArmor profile"),
		dbus.PropExecStart([]string{parser, option, install.AppArmorPath}, true),
		{Name: "CollectMode", Value: godbus.MakeVariant("inactive-or-failed")}} // or the next one cannot have its name
	return job(ctx, func(ctx context.Context, name, mode string, done chan<- string) (int, error) {
		return bus.StartTransientUnitContext(ctx, name, mode, service, done)
	}, "nodegate-apparmor")
}
