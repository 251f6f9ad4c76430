// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

type learnOptions struct {
	suggestOptions
	container, pod string
	labels         string
	from, save     string
	length         time.Duration
	endpoint       string

	verify, minimize bool
	succeeds         string // the command of --check
	checkIn          string // and its container
	rerun            string // the command that runs the pod

	selector map[string]string // of labels
}

func learnCommand() *cobra.Command {
	o := &learnOptions{}
	cmd := &cobra.Command{
		Use:   "learn",
		Short: "Observe a privileged pod, and propose what it needs instead",
		Long: `Records what a container or the containers of a pod use on this node, as root,
by eBPF: devices, capabilities, mounts, limits, system calls and more. Then
proposes profiles, grants and changes of the manifest as suggest does, from what
was observed. A pod that is not there yet is waited for, so that its start is
seen. --save keeps the evidence, and --from proposes from it anywhere.

Asked for is not needed, and what did not run is unknown. --verify runs the pod
again under the proposal, and --minimize takes away what makes no difference.
That pod alone gets what is proposed, while it is tried; nothing is changed.

Exits with 0 if a proposal was made, and with 1 if nothing could be recorded,
something could not be read, or the pod does not work under the proposal.`,
		Example: `  nodegate learn --pod ci/builder --for 10m --save builder.jsonl
  nodegate learn -n ci --selector app=builder
  nodegate learn --from builder.jsonl -f builder.yaml
  nodegate learn --from builder.jsonl --minimize --check "make test" --for 5m`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringVar(&o.container, "container", "", "a running container's name, or the beginning of its `id`")
	f.StringVar(&o.pod, "pod", "", "the `namespace/name` of a pod, now or later")
	f.StringVar(&o.labels, "selector", "", "the `labels` (a=b,c=d) of pods of --namespace, now or later")
	f.DurationVar(&o.length, "for", 10*time.Minute, "how `long` to record; Ctrl-C ends it before")
	f.StringVar(&o.save, "save", "", "write the evidence to this `file`")
	f.BoolVar(&o.verify, "verify", false, "run the pod again under the proposal, and say what it is denied")
	f.BoolVar(&o.minimize, "minimize", false, "run it again and again, without one entry of the proposal each time, and keep those that it needs")
	f.StringVar(&o.succeeds, "check", "", "the `command` that succeeds in the container if all works (default: the containers end with status 0)")
	f.StringVar(&o.checkIn, "check-in", "", "the `container` of --check (default: the only one)")
	f.StringVar(&o.rerun, "run", "", "the `command` that runs the pod again (default: a copy of it is run, or where the kubelet runs it, it is waited for)")
	f.StringVar(&o.from, "from", "", "read the evidence from this `file`; - reads stdin")
	f.StringArrayVarP(&o.files, "filename", "f", nil, "the pod's manifest `file` (default: made from the evidence)")
	f.StringVarP(&o.namespace, "namespace", "n", "", "the `namespace` of --selector, and of manifests that name none")
	f.StringVar(&o.runtime, "runtime", runtimes.Newest, "the runtime's `name/version`, for the proposal")
	f.StringVar(&o.endpoint, "runtime-endpoint", "", "the runtime's CRI `socket` (default: the one that is found)")
	f.StringVarP(&o.output, "output", "o", "table", "the `format`: "+strings.Join(suggestFormats, ", "))
	return cmd
}

func (o *learnOptions) check(cmd *cobra.Command) error {
	wrong := func(format string, args ...any) error {
		return &usageError{cmd.CommandPath(), fmt.Sprintf(format, args...)}
	}
	given := 0
	for _, text := range []string{o.container, o.pod, o.labels, o.from} {
		if text != "" {
			given++
		}
	}
	namespace, pod, ok := strings.Cut(o.pod, "/")
	tries := o.verify || o.minimize
	_, err := runtimes.Parse(o.runtime)
	var selects bool
	o.selector, selects = parseSelector(o.labels)
	switch {
	case given != 1:
		return wrong("write one of --pod, --container, --selector and --from")
	case !selects:
		return wrong("%q selects no labels: write --selector app=builder,tier=ci", o.labels)
	case o.labels != "" && o.namespace == "":
		return wrong("--selector looks into one namespace: write -n NAMESPACE")
	case o.pod != "" && (!ok || namespace == "" || pod == "" || strings.Contains(pod, "/")):
		return wrong("%q is not a pod: write --pod NAMESPACE/NAME", o.pod)
	case o.from != "" && o.save != "":
		return wrong("--save writes what is recorded, and --from records nothing")
	case o.output == "diff" && len(o.files) == 0:
		return wrong("-o diff changes a manifest: write -f FILE")
	case o.from == "-" && slices.Contains(o.files, "-"):
		return wrong("stdin can be read once: write --from - or -f -")
	case o.length <= 0:
		return wrong("--for %s is no time: write --for 10m", o.length)
	case !tries && o.succeeds+o.checkIn+o.rerun != "":
		return wrong("--check, --check-in and --run are for --verify and --minimize")
	case strings.TrimSpace(o.succeeds) == "" && o.succeeds+o.checkIn != "":
		return wrong("write --check COMMAND; --check-in is its container")
	case !slices.Contains(suggestFormats, o.output):
		return wrong("there is no format %q: write one of %s", o.output, strings.Join(suggestFormats, ", "))
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

// parseSelector reads labels that have to be equal.
func parseSelector(text string) (map[string]string, bool) {
	out := map[string]string{}
	if text == "" {
		return out, true
	}
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(strings.TrimSuffix(key, "!")), strings.TrimPrefix(strings.TrimSpace(value), "=")
		if !ok || key == "" || value == "" || strings.Contains(part, "!=") {
			return nil, false
		}
		out[key] = value
	}
	return out, true
}

// recording is what is read, or recorded and saved.
func (o *learnOptions) recording(cmd *cobra.Command) (*evidence.Recording, error) {
	if o.from != "" {
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
	if os.Geteuid() != 0 {
		return nil, errors.New("recording needs root: run it by sudo on the pod's node, or read the manifest by nodegate suggest")
	}
	var save *os.File
	if o.save != "" { // before anything is recorded in vain
		var err error
		if save, err = os.OpenFile(o.save, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
			return nil, err
		}
	}
	r, err := o.record(cmd.Context(), cmd.ErrOrStderr(), during{})
	if save != nil {
		if r != nil {
			err = errors.Join(err, r.Write(save))
		}
		err = errors.Join(err, save.Close())
	}
	if err != nil {
		return nil, err
	}
	if len(r.Containers) == 0 {
		return nil, fmt.Errorf("no container of %s ran while it was recorded", o.target())
	}
	return r, nil
}
