// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/log"
	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// checkOptions are the flags of check.
type checkOptions struct {
	config, output string
	strict         bool
	names          []string // of runtimes
	runtimes       []runtimes.Runtime
	podFiles       []string
	namespace      string // of pods that name none
	pods           []manifest.Pod
}

func checkCommand() *cobra.Command {
	o := checkOptions{}
	cmd := &cobra.Command{
		Use:   "check [PATH...]",
		Short: "Check a policy for errors and risky rules",
		Long: `Reports each error of a policy with file, line and what to write instead. In a
policy without errors it reports rules that do nothing and grants that reach
further than they seem to: docs/lints.md. To accept a finding, write on its
line or on the line above:

  # nodegate:accept CODE REASON

Rules are checked for every supported runtime, or for those of --runtime.
--pods also finds pods that would be refused for the processes that they share,
and annotations that nobody reads. PATH is a policy file, or a directory with
config.toml.

Exits with 0 if there are no errors and with 1 if there are; with --strict,
also if there are warnings that are not accepted.`,
		Example: `  nodegate check
  nodegate check --strict --runtime containerd/2.4.2 ./policy.toml
  kubectl get pods -A -o yaml | nodegate check --pods -`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && cmd.Flags().Changed("config"):
				return wrong(cmd, "write either a PATH or --config")
			case !slices.Contains([]string{"text", "table", "json", "sarif"}, o.output):
				return wrong(cmd, "there is no output %q: write text, json or sarif", o.output)
			}
			for _, name := range o.names {
				r, err := runtimes.Parse(name)
				if err != nil {
					return wrong(cmd, "--runtime %s", err)
				}
				o.runtimes = append(o.runtimes, r)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			unreadable := o.readPods(cmd)
			policies := []checked{}
			for _, arg := range args {
				policies = append(policies, o.check(policyAt(arg)))
			}
			if len(args) == 0 {
				policies = append(policies, o.check(o.config))
			}
			var err error
			switch o.output {
			case "json":
				err = writeJSON(cmd.OutOrStdout(), checkedAll{1, policies})
			case "sarif":
				err = writeSARIF(cmd.OutOrStdout(), policies, unreadable)
			default:
				writeFindings(cmd.OutOrStdout(), policies)
			}
			if err != nil {
				return fmt.Errorf("writing the findings: %w", err)
			}
			return errors.Join(unreadable, failure(policies, o.strict))
		},
	}
	configFlag(cmd, &o.config)
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "text", "the `format`: text, json or sarif (for code hosts)")
	f.BoolVar(&o.strict, "strict", false, "fail on warnings too")
	f.StringArrayVar(&o.podFiles, "pods", nil, "the manifest `file` of pods, or - for stdin; may be repeated")
	f.StringVarP(&o.namespace, "namespace", "n", "", "the `namespace` of pods that name none")
	f.StringArrayVar(&o.names, "runtime", nil, "a runtime's `name/version`; may be repeated (default: every supported one)")
	return cmd
}

// policyAt is the policy file that a PATH stands for.
func policyAt(arg string) string {
	if info, err := os.Stat(arg); err == nil && info.IsDir() {
		return filepath.Join(arg, "config.toml")
	}
	return arg
}

// checked is what there is to say about one policy: in JSON, too.
type checked struct {
	Path     string         `json:"path"`
	Hash     string         `json:"hash,omitempty"` // of a policy that loads
	Failed   string         `json:"failed,omitempty"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Infos    int            `json:"infos"`
	Accepted int            `json:"accepted"`
	Findings []lint.Finding `json:"findings"`
}

func (o *checkOptions) check(path string) checked {
	p := checked{Path: path, Findings: []lint.Finding{}}
	c, err := config.Load(path)
	var all config.Errors
	switch {
	case errors.As(err, &all):
		p.Findings = lint.Failed(all)
	case err != nil:
		p.Failed = err.Error() // no line to put it to
	default:
		p.Hash = c.Hash
		p.Findings = append(p.Findings, lint.Check(c, o.runtimes...)...)
		p.Findings = append(p.Findings, o.misfits(c)...)
		if install.At("/").Forgets(path, c.Runtime.Handlers) {
			p.Findings = append(p.Findings, forgotten(c))
		}
	}
	count, accepted := lint.Count(p.Findings)
	p.Errors, p.Warnings, p.Infos, p.Accepted = count[lint.Error], count[lint.Warning], count[lint.Info], accepted
	return p
}

// forgotten is about a policy of this node after nodegate install --default-runtime.
func forgotten(c *config.Config) lint.Finding {
	at := c.SettingPlace("runtime.handlers")
	return lint.Finding{Code: "default_runtime", Severity: lint.Warning, File: at.File, Line: at.Line,
		What:  `runtime.handlers does not list "", the default handler`,
		Why:   "nodegate install has made the wrapper the runtime of all pods on this node, and without that the wrapper refuses those that the agent does not change",
		Write: "run nodegate install --default-runtime again, or add \"\" to handlers under [runtime]"}
}

// checkedAll is the JSON; docs/lints.md describes it.
type checkedAll struct {
	Version  int       `json:"version"`
	Policies []checked `json:"policies"`
}

// writeFindings writes a line for each finding that is not accepted, and one for each
// policy at the end.
func writeFindings(w io.Writer, policies []checked) {
	for _, p := range policies {
		for _, f := range p.Findings {
			if f.Accepted == "" {
				fmt.Fprintln(w, f)
			}
		}
	}
	for _, p := range policies {
		switch {
		case p.Failed != "":
			continue
		case p.Errors > 0:
			fmt.Fprintf(w, "%s: %s\n", p.Path, several(p.Errors, "error"))
			continue
		}
		fmt.Fprintf(w, "%s: no errors (policy %s)", p.Path, p.Hash)
		for _, n := range []struct {
			count int
			what  string
		}{{p.Warnings, "warning"}, {p.Infos, "info"}} {
			if n.count > 0 {
				fmt.Fprintf(w, ", %s", several(n.count, n.what))
			}
		}
		if p.Accepted > 0 {
			fmt.Fprintf(w, ", %d accepted", p.Accepted)
		}
		fmt.Fprintln(w)
	}
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// failure is the error that the command ends with, or nil.
func failure(policies []checked, strict bool) error {
	var errs []error
	for _, p := range policies {
		switch {
		case p.Failed != "":
			errs = append(errs, errors.New(p.Failed))
		case p.Errors > 0:
			errs = append(errs, fmt.Errorf("%s has errors", p.Path))
		case strict && p.Warnings > 0:
			errs = append(errs, fmt.Errorf("%s has warnings, and --strict was given: change the policy, or accept them by comments", p.Path))
		}
	}
	return errors.Join(errs...)
}

// logWarnings says that a policy which is taken has warnings. What they are, nodegate
// check says.
func logWarnings(ctx context.Context, c *config.Config) {
	count, _ := lint.Count(lint.Check(c))
	if n := count[lint.Warning]; n > 0 {
		log.G(ctx).WithField("warnings", n).Warnf("the policy has warnings: see nodegate check %s", c.Files[0])
	}
}
