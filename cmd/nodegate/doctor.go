// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/doctor"
)

func doctorCommand() *cobra.Command {
	o := doctor.Options{Version: version}
	var output string
	var strict bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this node and say what keeps nodegate from working",
		Long: `Checks the runtime, its NRI, the handlers, the wrapper, the kernel, cgroups, the
policy's devices and the agent, and says what to do about each problem. It
changes nothing. What it cannot find out is unknown; most checks need root.

Exits with 0 if there is no problem and with 1 if there is one; with --strict
also with 1 if there is a warning or an unknown result.`,
		Example: `  nodegate doctor
  nodegate doctor --strict -o json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "table" && output != "json" {
				return wrong(cmd, "there is no output %q: write table or json", output)
			}
			facts, err := doctor.Gather(cmd.Context(), o)
			if err != nil {
				return err
			}
			report := doctor.Examine(facts)
			if output == "json" {
				err = report.JSON(cmd.OutOrStdout())
			} else {
				err = report.Table(cmd.OutOrStdout(), coloured(cmd.OutOrStdout()))
			}
			if err != nil {
				return err
			}
			return verdict(&report, strict)
		},
	}
	configFlag(cmd, &o.Policy)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "the `format`: table or json")
	cmd.Flags().BoolVar(&strict, "strict", false, "fail on warnings and unknown results too")
	cmd.Flags().StringVar(&o.Endpoint, "runtime-endpoint", "", "the runtime's CRI `socket` (default: the one that is found)")
	cmd.Flags().StringVar(&o.WrapperConfig, "wrapper-config", "/etc/nodegate/runc.toml", "the wrapper's configuration `file`")
	return cmd
}

// verdict is the error that makes the exit code.
func verdict(r *doctor.Report, strict bool) error {
	problems, amber := r.Count(doctor.Problem), r.Count(doctor.Warning)+r.Count(doctor.Unknown)
	switch {
	case problems > 0:
		return fmt.Errorf("problems: %d", problems)
	case strict && amber > 0:
		return fmt.Errorf("warnings: %d", amber)
	}
	return nil
}
