// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
	"github.com/nodegate/nodegate/plugin/policy"
)

// readPods reads the manifests that a policy is checked with.
func (o *checkOptions) readPods(cmd *cobra.Command) error {
	var problems []error
	for _, name := range o.podFiles {
		file := readManifest(cmd, name)
		o.pods = append(o.pods, file.Pods...)
		for _, p := range file.Problems {
			problems = append(problems, p)
		}
	}
	return errors.Join(problems...)
}

// misfits finds annotations that ask for something and that nobody reads under the
// policy: other tools' that no grant accepts, and keys that are nearly ours. And it finds
// containers that are refused since they share processes that are not denied the same.
func (o *checkOptions) misfits(c *config.Config) []lint.Finding {
	var out []lint.Finding
	for i := range o.pods {
		p := &o.pods[i]
		find := func(code, what, write string) {
			f := lint.Finding{Code: code, Severity: lint.Warning, File: p.File, Line: max(p.Line, 1),
				What: fmt.Sprintf("%s %s/%s %s", p.Kind, cmp.Or(p.Namespace, o.namespace), p.Name, what), Write: write}
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
		for j := range p.Containers {
			r := p.Request(&p.Containers[j], o.namespace, p.RuntimeClass)
			for _, key := range c.Policy.Unread(&r) {
				find("unread_annotation", fmt.Sprintf("has the annotation %q, which is for another tool and which no grant accepts in namespace %q", key, r.Namespace),
					"accept it in a grant, or see to it that the other tool runs")
			}
			if miss, meant := r.NearMiss(); miss != "" {
				find("near_miss", "has the "+miss+", which asks for nothing", "write "+meant)
			}
			sel, err := c.Policy.Select(&r)
			if err != nil {
				continue // explain says why
			}
			if err := c.Policy.CheckProcesses(sel, &policy.Facts{Request: r, Container: p.Facts(&p.Containers[j], true)}); err != nil {
				find("shared_processes", "does not start: "+policy.Reasons(err), "")
			}
		}
	}
	return out
}
