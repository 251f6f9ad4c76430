// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

func diffCommand() *cobra.Command {
	o := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "diff OLD NEW --pods FILE",
		Short: "Say what a new policy would change for pods",
		Long: `Decides about each container by both policies, as the agent does, and says
what it would gain and lose, whether it would be newly refused, and with which
sentence, or no longer refused. OLD and NEW are policy files, or directories
with config.toml. FILE is what kubectl get pods -A -o yaml or -o json prints, or
manifests as for explain.

A policy in audit mode changes and refuses nothing; if both are, they are
compared as if they were enforced. Devices and the cgroup version are those of
this machine: name those of the nodes with --assume-device. Running containers
keep what they have until their pods are recreated.

Exits with 0 if no container changes, with 3 if some do, with 4 if some are
newly refused, and with 1 if a policy has errors or something could not be
compared.`,
		Example: `  kubectl get pods -A -o yaml | nodegate diff /etc/nodegate/config.toml new.toml --pods -
  nodegate diff old new --pods pods.yaml --runtime containerd/2.3.7 --assume-device /dev/kvm`,
		Args: func(cmd *cobra.Command, args []string) error {
			if problem := o.checkDiff(args); problem != "" {
				return wrong(cmd, "%s", problem)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return diffPolicies(cmd, o, args) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.files, "pods", nil, "the manifest `file` of pods, or - for stdin; may be repeated")
	f.StringVarP(&o.namespace, "namespace", "n", "", "the `namespace` of pods that name none")
	f.StringVar(&o.handler, "handler", "", "the pods' runtime `handler` (default: by runtimeClassName)")
	f.StringVar(&o.runtime, "runtime", "", "the runtime's `name/version` (default: this node's, or "+runtimes.Newest+")")
	f.StringVar(&o.endpoint, "runtime-endpoint", "", "the runtime's CRI `socket` (default: the one that is found)")
	f.StringArrayVar(&o.assumed, "assume-device", nil, "a `device` that the node is taken to have: "+assumedForm+"; may be repeated")
	f.StringVarP(&o.output, "output", "o", "table", "the `format`: table or json")
	// kubectl nodegate runs this in the agent's container, where it has one stream to send
	// both by, and where the new policy keeps the drop-ins of the old one.
	f.IntVar(&o.newBytes, newBytesFlag, 0, "NEW is a name; the first `bytes` of stdin are the file, beside OLD's conf.d")
	_ = f.MarkHidden(newBytesFlag) // it is there
	return cmd
}

const (
	newBytesFlag = "new-bytes"
	maxNewBytes  = 64 << 20

	softMemory = 1 << 30
)

// checkDiff says what is wrong with the command line, or "".
func (o *explainOptions) checkDiff(args []string) string {
	switch {
	case len(args) != 2:
		return "write two policies, the old one and the new one: nodegate diff OLD NEW --pods FILE"
	case len(o.files) == 0:
		return "there are no pods to compare by: write --pods FILE, or --pods - for stdin"
	case o.output != "table" && o.output != "json":
		return fmt.Sprintf("there is no output %q: write table or json", o.output)
	}
	if o.newBytes < 0 || o.newBytes > maxNewBytes {
		return fmt.Sprintf("--%s %d is not the size of a policy", newBytesFlag, o.newBytes)
	}
	if n := slices.Index(o.files, "-"); n >= 0 && slices.Contains(o.files[n+1:], "-") {
		return "stdin can be read once: write --pods - once"
	}
	if err := o.parse(); err != nil {
		return err.Error()
	}
	return ""
}

func diffPolicies(cmd *cobra.Command, o *explainOptions, args []string) error {
	// Nearly all that pods are read into is garbage at once: collecting it is a quarter of the
	// time. That is saved as long as it takes no more memory than this.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(softMemory))
	d := &differ{}
	for i := range args {
		c, err := o.policyOf(cmd, args, i)
		if err != nil {
			return err
		}
		e := &explainer{config: c, options: o}
		if err := e.openHost(); err != nil {
			return err
		}
		defer func() { _ = e.host.Close() }() // read only
		d.sides[i] = e
	}
	if err := d.sides[0].askRuntime(cmd.Context()); err != nil {
		return err
	}
	d.sides[1].runtime, d.cgroupV2 = d.sides[0].runtime, d.sides[0].cgroupV2()
	report := d.newReport(args)
	pods, classes, problems := readManifests(cmd, o.files)
	for i := range pods {
		if err := d.pod(report, &pods[i], classes); err != nil {
			problems = append(problems, err)
		}
	}
	for _, p := range problems {
		report.Problems = append(report.Problems, p.Error())
	}
	if err := report.write(cmd.OutOrStdout(), o.output); err != nil {
		return fmt.Errorf("writing the differences: %w", err)
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	return report.ending()
}

// policyOf loads the old policy or the new one.
func (o *explainOptions) policyOf(cmd *cobra.Command, args []string, side int) (*config.Config, error) {
	if side == 0 || o.newBytes == 0 {
		return config.Load(policyAt(args[side]))
	}
	text := make([]byte, o.newBytes)
	if _, err := io.ReadFull(cmd.InOrStdin(), text); err != nil {
		return nil, fmt.Errorf("reading the new policy's %d bytes from stdin: %w", o.newBytes, err)
	}
	return config.LoadInstead(policyAt(args[0]), args[side], text)
}
