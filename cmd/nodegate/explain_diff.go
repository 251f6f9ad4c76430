// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
)

// writeDiff writes what changes in the OCI specs. Lines that begin with "#"
// say whose it is, and what a spec does not show; patch(1) ignores them.
func (r *explainReport) writeDiff(w io.Writer) error {
	var out bytes.Buffer
	for i := range r.Pods {
		p := &r.Pods[i]
		for j := range p.Containers {
			c := &p.Containers[j]
			fmt.Fprintf(&out, "# %s %s/%s, container %q: %s\n", p.Kind, p.Namespace, p.Pod, c.Name, c.Result)
			if c.Refusal != nil {
				for _, line := range c.Refusal.Lines() {
					fmt.Fprintf(&out, "# %s\n", line)
				}
			}
			for _, ch := range c.Changes {
				if !ch.inSpec() {
					fmt.Fprintf(&out, "# %s: %s\n", ch.Field, ch.Change)
				}
			}
			out.Write(c.diff)
		}
	}
	return writeDiff(w, out.Bytes())
}
