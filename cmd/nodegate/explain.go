// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	config    string
	files     []string
	id        string
	container string
	namespace string
	handler   string
	runtime   string
	endpoint  string
	output    string
	strict    bool
	assumed   []string // devices, as they are written

	assumptions []assumption
	newBytes    int // of diff: how many bytes of stdin are the new policy
}

var explainFormats = []string{"table", "json", "yaml", "diff"}

func explainCommand() *cobra.Command {
	o := &explainOptions{}
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say what the policy does to a pod, and why",
		Long: `Says for each container which grants match and which nearly do, what it gets,
what changes in its OCI spec, and what delivers each change: NRI, the wrapper,
the agent, or nothing, which refuses the container. It decides as the agent
does and changes nothing.

It reads Pods and everything that holds pod templates. Devices and the cgroup
version are those of this machine. What only a running pod has is assumed, and
the output says so. With --id it compares a running container of this node with
today's policy (as root).

Exits with 0 if all was explained, also if a container would be refused; with 1
if something could not be explained or the policy has errors; with --strict
also if there is a refusal, a note, a warning or something left out.`,
		Example: `  nodegate explain -f pod.yaml
  helm template ./chart | nodegate explain -n ci -f - --runtime containerd/2.3.7
  nodegate explain --strict --assume-device /dev/kvm -f pod.yaml
  nodegate explain --id 8f3a1c -o diff`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return explain(cmd, o) },
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "filename", "f", nil, "the manifest `file`; - reads stdin; may be repeated")
	f.StringVar(&o.id, "id", "", "a container of this node, by the beginning of its `id`")
	f.StringVar(&o.container, "container", "", "only the container with this `name`")
	f.StringVarP(&o.namespace, "namespace", "n", "", "the `namespace` of manifests that name none")
	f.StringVar(&o.handler, "handler", "", `the pods' runtime `+"`handler`"+` (default: by runtimeClassName)`)
	f.StringVar(&o.runtime, "runtime", "", "the runtime's `name/version` (default: this node's, or "+runtimes.Newest+")")
	f.StringVar(&o.endpoint, "runtime-endpoint", "", "the runtime's CRI `socket` (default: the one that is found)")
	f.BoolVar(&o.strict, "strict", false, "fail on refusals, notes and warnings too")
	f.StringArrayVar(&o.assumed, "assume-device", nil, "a `device` that the node is taken to have: "+assumedForm+"; may be repeated")
	f.StringVarP(&o.output, "output", "o", "table", "the `format`: "+strings.Join(explainFormats, ", "))
	return cmd
}

// check finds what is wrong with the command line.
func (o *explainOptions) check(cmd *cobra.Command) error {
	switch {
	case len(o.files) == 0 && o.id == "":
		return wrong(cmd, "there is nothing to explain: write -f FILE, or --id CONTAINER")
	case len(o.files) > 0 && o.id != "":
		return wrong(cmd, "write either -f or --id: a manifest or a container of this node")
	case o.id != "" && (o.namespace != "" || cmd.Flags().Changed("handler") || o.container != ""):
		return wrong(cmd, "a container of this node has its namespace, its name and its handler: leave out --namespace, --container and --handler")
	case !slices.Contains(explainFormats, o.output):
		return wrong(cmd, "there is no format %q: write one of %s", o.output, strings.Join(explainFormats, ", "))
	}
	if n := slices.Index(o.files, "-"); n >= 0 && slices.Contains(o.files[n+1:], "-") {
		return wrong(cmd, "stdin can be read once: write -f - once")
	}
	if err := o.parse(); err != nil {
		return wrong(cmd, "%s", err)
	}
	return nil
}

// parse reads the flags that have a form.
func (o *explainOptions) parse() error {
	for _, text := range o.assumed {
		a, err := parseAssumed(text, len(o.assumptions))
		if err != nil {
			return fmt.Errorf("--assume-device %w", err)
		}
		o.assumptions = append(o.assumptions, a)
	}
	if o.runtime != "" {
		if _, err := runtimes.Parse(o.runtime); err != nil {
			return fmt.Errorf("--runtime %w", err)
		}
	}
	return nil
}

func explain(cmd *cobra.Command, o *explainOptions) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	c, err := config.Load(o.config)
	if err != nil {
		return err
	}
	e := &explainer{config: c, options: o}
	if err := e.openHost(); err != nil {
		return err
	}
	defer func() { _ = e.host.Close() }() // read only
	report := &explainReport{Policy: c.Hash, Audit: c.Policy.Audit(), Pods: []podReport{}}
	if o.id != "" {
		err = e.live(cmd.Context(), report)
	} else {
		err = e.files(cmd, report)
	}
	if len(report.Pods) == 0 && err != nil && o.output != "json" && o.output != "yaml" {
		return err
	}
	err = errors.Join(report.write(cmd.OutOrStdout(), o.output), err)
	if o.strict {
		err = errors.Join(err, report.strict())
	}
	return err
}

// openHost looks at the node where the policy says that it is, with the devices that it
// is taken to have. A manifest may be explained where that is not: the policy is one for a
// pod, for instance.
func (e *explainer) openHost() (err error) {
	root, shadows := e.config.State.HostRoot, e.config.State.ShadowDir
	e.host, err = host.New(root, shadows)
	if errors.Is(err, fs.ErrNotExist) && e.options.id == "" {
		e.hostNote = fmt.Sprintf(", for want of host_root %q", root)
		e.host, err = host.New("/", shadows)
	}
	if err != nil {
		return err
	}
	var devices []policy.HostDevice
	for _, a := range e.options.assumptions {
		devices = append(devices, a.device)
	}
	e.host.Assume(devices)
	return nil
}

// askRuntime settles the runtime for a manifest. That none answers is an error
// only if one was named.
func (e *explainer) askRuntime(ctx context.Context) error {
	if e.options.runtime != "" {
		return e.findRuntime(ctx, nil)
	}
	client, err := cri.Connect(e.options.endpoint)
	if err == nil {
		defer client.Close()
		err = e.findRuntime(ctx, client)
	}
	if err == nil || e.options.endpoint != "" {
		return err
	}
	e.runtime, err = runtimes.Parse(runtimes.Newest)
	e.runtimeFrom = "the newest that is known: none answers here, and --runtime names none"
	return err
}

// findRuntime settles which runtime is to carry the changes: the one that was
// named, or that which the client is connected to.
func (e *explainer) findRuntime(ctx context.Context, client *cri.Client) (err error) {
	if e.options.runtime != "" {
		e.runtimeFrom = "as --runtime says"
		e.runtime, err = runtimes.Parse(e.options.runtime)
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	name, version, err := client.Version(ctx)
	if err != nil {
		return err
	}
	e.runtimeFrom = "of this node"
	e.runtime, err = runtimes.Parse(name + "/" + version)
	return err
}

// answerTime is how long a runtime is waited for.
const answerTime = 5 * time.Second
