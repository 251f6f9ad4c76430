// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// parseAssumed reads PATH, or PATH=TYPE MAJOR:MINOR. A device without numbers gets
// negative ones, which no device has; before is how many there are already.
func parseAssumed(text string, before int) (policy.HostDevice, error) {
	at, numbers, given := strings.Cut(text, "=")
	d := policy.HostDevice{Path: at, Resolved: at, Type: "c", Major: -2, Minor: int64(-1 - before), Mode: 0o660}
	if !strings.HasPrefix(at, "/dev/") || path.Clean(at) != at {
		return d, fmt.Errorf("%q is no path of a device: write it as in /dev/kvm", at)
	}
	if !given {
		return d, nil
	}
	kind, number, _ := strings.Cut(strings.TrimSpace(numbers), " ")
	major, minor, _ := strings.Cut(strings.TrimSpace(number), ":")
	var wrong [2]error
	d.Type = kind
	d.Major, wrong[0] = strconv.ParseInt(major, 10, 32)
	d.Minor, wrong[1] = strconv.ParseInt(minor, 10, 32)
	if kind != "c" && kind != "b" || errors.Join(wrong[:]...) != nil || d.Major < 0 || d.Minor < 0 {
		return d, fmt.Errorf("%q is no device: write its type and numbers, as in /dev/kvm=\"c 10:232\"", numbers)
	}
	return d, nil
}

// noUserNamespaces is what the kubelet says on a runtime that has none, where no agent
// is asked at all.
func (e *explainer) noUserNamespaces(r *policy.Request) error {
	if !r.UserNamespace.Value || e.runtime.Name != runtimes.Containerd || !strings.HasPrefix(strings.TrimPrefix(e.runtime.Version, "v"), "1.") {
		return nil
	}
	return r.Refuse(policy.Unmet, "has hostUsers: false, for which the kubelet refuses the pod under %s: use containerd 2.0 or later, or leave hostUsers out", e.runtime)
}

// strict is an error if anything in the report would keep a reader from saying that all
// is well.
func (r *explainReport) strict() error {
	refusals, notes := 0, 0
	for i := range r.Pods {
		p := &r.Pods[i]
		notes += len(p.Hints)
		for j := range p.Containers {
			c := &p.Containers[j]
			notes += len(c.Reasons) + len(c.Warnings)
			if c.Result == refused {
				refusals++
			}
		}
	}
	if refusals+notes == 0 {
		return nil
	}
	return fmt.Errorf("%s refused, %s, and --strict was given", several(refusals, "container"), several(notes, "note"))
}
