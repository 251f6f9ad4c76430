// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/policy"
)

// Policy is what has to be added to the policy, as TOML; "" for nothing.
func (s *Set) Policy() string {
	parts := slices.Clone(s.profiles)
	for _, g := range s.grants {
		text := fmt.Sprintf("[[grants]]\nprofiles = [%s]\nnamespaces = [%q]\n", quoted(g.profiles), g.namespace)
		if g.accept != "" {
			text += fmt.Sprintf("accept = [%q]\n", g.accept)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n")
}

func quoted(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, fmt.Sprintf("%q", n))
	}
	return strings.Join(all, ", ")
}

// Profiles are those that a container is to have, in the order of what it asks for.
func (c *Container) Profiles() []string {
	var all []string
	for i := range c.Asks {
		if by := c.Asks[i].By; by != "" && !slices.Contains(all, by) {
			all = append(all, by)
		}
	}
	return all
}

// Concerned reports whether there is anything to say about a container.
func (c *Container) Concerned() bool {
	return c.Privileged || len(c.Asks)+len(c.Stays)+len(c.Blocked) > 0
}

// Privileged reports whether the pod has a container that is.
func (p *Proposal) Privileged() bool {
	return slices.ContainsFunc(p.Containers, func(c Container) bool { return c.Privileged })
}

// CouldGo reports whether no container has to stay privileged.
func (p *Proposal) CouldGo() bool {
	return !slices.ContainsFunc(p.Containers, func(c Container) bool { return len(c.Blocked) > 0 })
}

// Edit is what is to be changed in the manifest. runtimeClass is for pods that
// have none, where the wrapper is needed; or "".
func (p *Proposal) Edit(runtimeClass string) manifest.Edit {
	out := manifest.Edit{HostUsers: p.HostUsers, Containers: map[string]manifest.ContainerEdit{}, Annotations: map[string]string{}}
	if p.Pod.RuntimeClass == "" {
		out.RuntimeClass = runtimeClass
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		if len(c.Blocked) > 0 {
			continue
		}
		edit := manifest.ContainerEdit{Unprivileged: c.Privileged, Mounts: slices.Clone(c.drops)}
		var names []string // to be asked for
		for j := range c.Asks {
			a := &c.Asks[j]
			if a.By == "" {
				continue
			}
			if a.family == "" && !slices.Contains(names, a.By) {
				names = append(names, a.By)
			}
			if a.mount != "" {
				edit.Mounts = append(edit.Mounts, a.mount)
			}
			if a.limit != "" {
				edit.Limits = append(edit.Limits, a.limit)
			}
			if a.sysctl != "" {
				out.Sysctls = append(out.Sysctls, a.sysctl)
			}
		}
		out.Containers[c.Name] = edit
		if key, value := p.request(c.Name, names); value != "" {
			out.Annotations[key] = value
		}
	}
	return out
}

// request is the annotation by which a container asks for profiles, beside those
// that it asks for already; "" if it needs none.
func (p *Proposal) request(container string, names []string) (key, value string) {
	keys := []string{policy.AnnotationContainer + container, policy.AnnotationPod, policy.AnnotationBare}
	key = keys[0]
	if len(p.Pod.Containers) == 1 {
		key = policy.AnnotationBare
	}
	var have []string
	for _, k := range keys {
		if v, ok := p.Pod.Annotations[k]; ok {
			for name := range strings.SplitSeq(v, ",") {
				have = append(have, strings.TrimSpace(name))
			}
			if len(p.Pod.Containers) == 1 {
				key = k
			}
			break
		}
	}
	before := len(have)
	for _, n := range names {
		if !slices.Contains(have, n) {
			have = append(have, n)
		}
	}
	if len(have) == before {
		return "", ""
	}
	return key, strings.Join(have, ", ")
}

// Devices are the paths of all devices that are asked for; of a directory, one in it.
func (s *Set) Devices() []string {
	var all []string
	for _, p := range s.Pods {
		for i := range p.Containers {
			for _, a := range p.Containers[i].Asks {
				if a.path == "" {
					continue
				}
				if device := path.Join(a.path, directories[a.path]); !slices.Contains(all, device) {
					all = append(all, device)
				}
			}
		}
	}
	return all
}
