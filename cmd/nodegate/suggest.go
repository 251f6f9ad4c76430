// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

type suggestOptions struct {
	config    string
	files     []string
	namespace string
	runtime   string
	output    string
}

var suggestFormats = []string{"table", "json", "diff", "toml"}

func suggestCommand() *cobra.Command {
	o := &suggestOptions{}
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "Propose profiles and grants for privileged manifests",
		Long: `Reads manifests whose containers are privileged, mount devices, add
capabilities, set sysctls, use device plugins or carry annotations of other
tools. Proposes profiles that give them that, those of the policy and the
built-in ones first, and what to change in the policy and the manifests. Each
proposal is tried as explain does, on a node that has the devices.

All is read from the manifests and nothing is observed: a container that is
privileged for a reason that its manifest does not tell stays privileged.
-o diff prints the changes of the manifests for patch -p0, -o toml the policy.

Exits with 0 if all was read, and with 1 if something could not be read or the
policy has errors. Files of a directory without pods are passed over, and charts
are named: render them first.`,
		Example: `  nodegate suggest -f ./manifests
  helm template ./chart | nodegate suggest -n ci -f -
  nodegate suggest -f ./manifests -o diff | patch -p0`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "filename", "f", nil, "a manifest `file` or a directory of them; - reads stdin; may be repeated")
	f.StringVarP(&o.namespace, "namespace", "n", "", "the `namespace` of manifests that name none")
	f.StringVar(&o.runtime, "runtime", runtimes.Newest, "the runtime's `name/version`")
	f.StringVarP(&o.output, "output", "o", "table", "the `format`: "+strings.Join(suggestFormats, ", "))
	return cmd
}

func (o *suggestOptions) check(cmd *cobra.Command) error {
	n := slices.Index(o.files, "-")
	_, err := runtimes.Parse(o.runtime)
	switch {
	case len(o.files) == 0:
		return wrong(cmd, "there is nothing to read: write -f FILE")
	case n >= 0 && slices.Contains(o.files[n+1:], "-"):
		return wrong(cmd, "stdin can be read once: write -f - once")
	case !slices.Contains(suggestFormats, o.output):
		return wrong(cmd, "there is no format %q: write one of %s", o.output, strings.Join(suggestFormats, ", "))
	case err != nil:
		return wrong(cmd, "--runtime %s", err)
	}
	return nil
}

func (o *suggestOptions) run(cmd *cobra.Command) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	c, builtIn, err := o.load(cmd)
	if err != nil {
		return err
	}
	s := &suggestion{options: o, builtIn: builtIn, origin: suggestOrigin}
	unreadable := s.read(cmd)
	if err := s.propose(c); err != nil {
		return errors.Join(unreadable, err)
	}
	if len(s.pods) == 0 && unreadable != nil {
		return unreadable
	}
	return errors.Join(s.write(cmd.OutOrStdout()), unreadable)
}

// load loads the policy, or the built-in profiles alone where nobody named another.
func (o *suggestOptions) load(cmd *cobra.Command) (c *config.Config, builtIn bool, err error) {
	c, err = config.Load(o.config)
	if errors.Is(err, fs.ErrNotExist) && !cmd.Flags().Changed("config") {
		c, err = config.Parse("built-in", []byte(emptyPolicy))
		return c, true, err
	}
	return c, false, err
}

// propose proposes until what is left holds.
func (s *suggestion) propose(c *config.Config) error {
	var pods []*manifest.Pod
	for _, p := range s.pods {
		pods = append(pods, p.pod())
	}
	refused := map[*manifest.Pod]string{}
	for {
		before := len(refused)
		s.set = suggest.For(c, pods, s.options.namespace, refused, s.observed, s.without...)
		if err := s.try(refused); err != nil || len(refused) == before {
			return err
		}
	}
}

const (
	emptyPolicy  = "version = 1\n"
	proposedName = "proposal" // the file in messages about the proposed part
)

// policy is the whole policy, with what is proposed.
func (s *suggestion) policy() (*config.Config, error) {
	proposed := s.set.Policy()
	if s.builtIn {
		return config.Parse(proposedName, []byte(emptyPolicy+proposed))
	}
	return config.LoadWith(s.options.config, proposedName, []byte(proposed))
}
