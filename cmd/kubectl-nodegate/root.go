// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

// options are what all commands have.
type options struct {
	genericiooptions.IOStreams
	kube   *genericclioptions.ConfigFlags
	place  fleet.Place
	limits fleet.Limits
}

func rootCommand(streams genericiooptions.IOStreams) *cobra.Command {
	o := &options{IOStreams: streams, kube: genericclioptions.NewConfigFlags(true)}
	root := &cobra.Command{
		Use:         "nodegate",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl nodegate"},
		Short:       "See nodegate's agents on all nodes, and what a policy does to the cluster's pods",
		Long: `Asks nodegate's agents with the rights of your kubeconfig: by commands in their
pods, as kubectl exec runs them. The agents themselves have no access to the API
server.

You need to list nodes and pods, and pods/exec in the agents' namespace, which is
an administrator's right.`,
		Example:       "  kubectl nodegate status",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage(cmd, "there is no command %q", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%s", err) })
	f := root.PersistentFlags()
	o.kube.AddFlags(f)
	f.StringVar(&o.place.Namespace, "agent-namespace", "nodegate", "the `namespace` of the agents")
	f.StringVar(&o.place.Selector, "agent-selector", "app.kubernetes.io/name=nodegate,app.kubernetes.io/component=agent", "the `labels` of the agents' pods")
	f.DurationVar(&o.limits.Timeout, "node-timeout", 20*time.Second, "how `long` one agent is waited for")
	f.IntVar(&o.limits.Parallel, "parallel", 32, "how `many` agents are asked at once")
	root.AddCommand(statusCommand(o), explainCommand(o), diffCommand(o), refusalsCommand(o))
	return root
}

// usage is a wrong command line.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return &codedError{exitUsage, fmt.Sprintf(format, args...) + fmt.Sprintf("\nRun %s --help for usage.", cmd.CommandPath())}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// outputFlag adds -o, and what completes it. "" is the table.
func outputFlag(cmd *cobra.Command, format *string, formats ...string) {
	cmd.Flags().StringVarP(format, "output", "o", "", "the `format`: "+strings.Join(formats, ", ")+" (default: a table)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // it is there
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if *format != "" && !slices.Contains(formats, *format) {
			return usage(cmd, "there is no format %q: write one of %s", *format, strings.Join(formats, ", "))
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

// read reads a file, or stdin for "-", and returns what to call it.
func (o *options) read(file string) (name string, text []byte, err error) {
	if file == "-" {
		text, err = io.ReadAll(o.In)
		return "stdin", text, err
	}
	text, err = os.ReadFile(file)
	return file, text, err
}

// agents is the cluster as a command sees it.
type agents struct {
	*options
	config    *rest.Config
	core      coreclient.CoreV1Interface
	exec      *fleet.Execer
	namespace string // as kubectl has it: -n, or that of the context
	nodes     []fleet.Node
}

// open makes the clients.
func (o *options) open() (*agents, error) {
	if o.limits.Parallel < 1 || o.limits.Timeout <= 0 {
		return nil, &codedError{exitUsage, "--parallel and --node-timeout have to be more than 0"}
	}
	a := &agents{options: o}
	var err error
	if a.namespace, _, err = o.kube.ToRawKubeConfigLoader().Namespace(); err != nil {
		return nil, err
	}
	if a.config, err = o.kube.ToRESTConfig(); err != nil {
		return nil, err
	}
	if a.core, err = coreclient.NewForConfig(a.config); err != nil {
		return nil, err
	}
	a.exec = fleet.NewExecer(a.config, a.core)
	return a, nil
}

// connect finds the nodes and their agents.
func (o *options) connect(ctx context.Context) (*agents, error) {
	a, err := o.open()
	if err != nil {
		return nil, err
	}
	a.nodes, err = fleet.Find(ctx, a.core, o.place)
	return a, err
}

// unanswered tells of the nodes that gave no answer, at the end of a command: the first
// ones each by its reason. Those without an agent are no error.
func unanswered[T any](o *options, answers []fleet.Answer[T]) error {
	const shown = 10
	n, all := 0, 0
	for _, a := range answers {
		if a.Node.Agent == nil {
			continue
		}
		all++
		if a.Err == nil {
			continue
		}
		if n++; n <= shown {
			_ = printers.WriteEscaped(o.ErrOut, fmt.Sprintf("node %s: %s\n", a.Node.Name, a.Err)) // as with any error's text
		}
	}
	if n > shown {
		fmt.Fprintf(o.ErrOut, "and %d more\n", n-shown)
	}
	if n > 0 {
		return fmt.Errorf("%d of %d agents did not answer", n, all)
	}
	return nil
}
