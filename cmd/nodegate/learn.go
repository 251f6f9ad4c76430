// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

type learnOptions struct {
	suggestOptions
	from string
}

func learnCommand() *cobra.Command {
	o := &learnOptions{}
	cmd := &cobra.Command{
		Use:   "learn",
		Short: "Propose what a privileged pod needs, from what was observed of it",
		Long: `Reads evidence of what containers used: devices, capabilities, mounts, limits,
system calls and more, as a recorder observed it. Proposes from it profiles,
grants and changes of the manifest, as suggest does from manifests alone. The
format of evidence is in docs/learn.md.

Asked for is not needed, and what did not run is unknown.
Exits with 0 if a proposal was made, and with 1 if something could not be read
or the policy has errors.`,
		Example: `  nodegate learn --from builder.jsonl
  nodegate learn --from builder.jsonl -f builder.yaml -o diff | patch -p0`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "the `file` of evidence; - reads stdin")
	f.StringArrayVarP(&o.files, "filename", "f", nil, "the pod's manifest `file`, to be edited (default: one made from the evidence)")
	f.StringVarP(&o.namespace, "namespace", "n", "", "the `namespace` of manifests that name none")
	f.StringVar(&o.runtime, "runtime", runtimes.Newest, "the runtime's `name/version`, for the proposal")
	f.StringVarP(&o.output, "output", "o", "table", "the `format`: "+strings.Join(suggestFormats, ", "))
	return cmd
}

func (o *learnOptions) check(cmd *cobra.Command) error {
	wrong := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Sprintf(format, args...)}
	}
	_, err := runtimes.Parse(o.runtime)
	switch {
	case o.from == "":
		return wrong("there is nothing to read: write --from FILE")
	case o.from == "-" && slices.Contains(o.files, "-"):
		return wrong("stdin can be read once: write --from - or -f -")
	case !slices.Contains(suggestFormats, o.output):
		return wrong("there is no format %q: write one of %s", o.output, strings.Join(suggestFormats, ", "))
	case o.output == "diff" && len(o.files) == 0:
		return wrong("-o diff changes a manifest: write -f FILE")
	case err != nil:
		return wrong("--runtime %s", err)
	}
	return nil
}

func (o *learnOptions) run(cmd *cobra.Command) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	r, err := o.recording(cmd)
	if err != nil {
		return err
	}
	return o.report(cmd, r)
}

// recording is what is read.
func (o *learnOptions) recording(cmd *cobra.Command) (*evidence.Recording, error) {
	from := cmd.InOrStdin()
	if o.from != "-" {
		f, err := os.Open(o.from)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // read only
		from = f
	}
	return evidence.Read(o.from, from)
}
