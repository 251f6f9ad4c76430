// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command nodegate is the node agent and the administrator's tool: it runs the
// NRI plugin and shows what a policy holds.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// version is set at build time.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	err := execute(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "nodegate:", err)
		os.Exit(exitCode(err))
	}
}

// execute runs the command line, or the plugin if it is the runtime that
// started this process: it gives a plugin no arguments, but an environment.
func execute(ctx context.Context, args []string) error {
	root := rootCommand()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "nodegate",
		Short: "Run what asks for --privileged, without --privileged",
		Long: `nodegate gives containers single rights for which they would otherwise be
privileged: devices, mknod, ping and more, as the administrator's policy grants
them. It is an NRI plugin for containerd and CRI-O.

To begin, list what can be granted (profiles), write a policy, check it (check),
see what it does to a pod (explain), and start the agent as root (run).

Exit codes: 0 success; 1 failure, or a policy with errors; 2 a wrong command
line; 3 and 4 what diff found. Output is coloured on a terminal only, and never
if NO_COLOR is set.`,
		Example: `  nodegate profiles
  nodegate check --config ./policy.toml
  nodegate explain --config ./policy.toml -f pod.yaml`,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(awaitCommand(), runCommand(), checkCommand(), diffCommand(), explainCommand(), profilesCommand(), renderCommand(), doctorCommand(),
		installCommand(), uninstallCommand(), statusCommand(), suggestCommand(), learnCommand(), versionCommand())
	return root
}

// defaultConfig is read where --config names no other file.
const defaultConfig = "/etc/nodegate/config.toml"

func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", defaultConfig, "the policy `file`, with conf.d beside it")
}
