// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

func completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a shell's completion of this command line",
		Long: `Prints a script that makes the shell complete commands, flags and their values:
formats, handlers, containers, and files where they belong. bash needs the
package bash-completion.

Exits with 0, and with 2 if there is no such shell.`,
		Example: `  nodegate completion bash > /etc/bash_completion.d/nodegate
  source <(nodegate completion bash)
  nodegate completion zsh > /usr/local/share/zsh/site-functions/_nodegate
  nodegate completion fish > ~/.config/fish/completions/nodegate.fish
  nodegate completion powershell >> $PROFILE`,
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(shells, args[0]) {
				return nil
			}
			return &usageError{cmd.CommandPath(), "write one shell: " + strings.Join(shells, ", ")}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out, root := cmd.OutOrStdout(), cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return root.GenPowerShellCompletionWithDesc(out)
		},
	}
}

// completeFlags gives every flag of every command a completion of its values:
// shells offer all files otherwise, which is seldom what belongs there.
func completeFlags(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		completeFlags(sub)
	}
	switch {
	case cmd.ValidArgsFunction != nil || len(cmd.ValidArgs) > 0:
	case strings.Contains(cmd.Use, "[PATH"):
		cmd.ValidArgsFunction = extensions("toml")
	default:
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			return
		}
		// Fails where the command has one of its own, which stays.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, flagCompletion(cmd, f.Name))
	})
}

func flagCompletion(cmd *cobra.Command, flag string) cobra.CompletionFunc {
	switch flag {
	case "config", "wrapper-config":
		return extensions("toml")
	case "filename":
		return extensions("yaml", "yml", "json")
	case "root", "from", "prefix", "state-dir", "shadow-dir":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "output":
		switch cmd.Name() {
		case "explain":
			return values(explainFormats...)
		case "check":
			return values("text", "json")
		}
		return values("table", "json")
	case "cgroup":
		return values("v1", "v2")
	case "layout":
		return values("auto", "containerd", "k3s", "rke2", "crio")
	case "runtime":
		return values(runtimes.Newest, "containerd/2.3", "containerd/2.2.1", "containerd/2.2.0", "containerd/2.1", "containerd/2.0", "containerd/1.7.30", "containerd/1.7.0", "cri-o/1.37", "cri-o/1.36")
	case "runtime-endpoint", "address":
		return values("unix://")
	case "id":
		return completed(containerIDs)
	case "handler":
		return completed(handlers)
	case "container":
		return completed(containerNames)
	}
	return cobra.NoFileCompletions
}

// extensions completes files with one of the extensions.
func extensions(list ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveFilterFileExt
	}
}

func values(list ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
}

// completed completes what is looked up. An error offers nothing: there is
// nowhere to say it.
func completed(look func(cmd *cobra.Command) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		list, err := look(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionTime bounds what a completion waits for.
const completionTime = time.Second

func containerIDs(cmd *cobra.Command) ([]string, error) {
	endpoint, _ := cmd.Flags().GetString("runtime-endpoint") // each command with --id has it
	client, err := cri.Connect(endpoint)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	all, err := client.List(ctx)
	var out []string
	for _, c := range all {
		out = append(out, fmt.Sprintf("%.13s\t%s/%s %s", c.ID, c.Namespace, c.Pod, c.Name))
	}
	return out, err
}

func handlers(cmd *cobra.Command) ([]string, error) {
	path, _ := cmd.Flags().GetString("config")
	c, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	return c.Runtime.Handlers, nil
}

func containerNames(cmd *cobra.Command) ([]string, error) {
	files, err := cmd.Flags().GetStringArray("filename")
	var out []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		read := manifest.Read(name, f)
		_ = f.Close() // read only
		for i := range read.Pods {
			for _, c := range read.Pods[i].Containers {
				if !slices.Contains(out, c.Name) {
					out = append(out, c.Name)
				}
			}
		}
	}
	return out, err
}
