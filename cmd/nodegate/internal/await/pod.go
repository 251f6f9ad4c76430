// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package await

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// pod is what tells why one is not ready.
type pod struct {
	Metadata struct {
		Name            string `json:"name"`
		OwnerReferences []struct {
			UID string `json:"uid"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Message    string `json:"message"`
		Reason     string `json:"reason"`
		Conditions []struct {
			Type    string `json:"type"`
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"conditions"`
		InitContainers []container `json:"initContainerStatuses"`
		Containers     []container `json:"containerStatuses"`
	} `json:"status"`
}

type container struct {
	Name         string `json:"name"`
	Ready        bool   `json:"ready"`
	RestartCount int    `json:"restartCount"`
	State        state  `json:"state"`
	LastState    state  `json:"lastState"`
}

type state struct {
	Waiting *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"waiting"`
	Terminated *struct {
		ExitCode int    `json:"exitCode"`
		Reason   string `json:"reason"`
		Message  string `json:"message"`
	} `json:"terminated"`
}

func (p *pod) of(owner string) bool {
	for _, o := range p.Metadata.OwnerReferences {
		if o.UID == owner {
			return true
		}
	}
	return false
}

func (p *pod) condition(kind string) (is bool, message string) {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status == "True", c.Message
		}
	}
	return false, ""
}

func (p *pod) ready() bool {
	is, _ := p.condition("Ready")
	return is
}

// hindrance says in one line why a pod is not ready: the first of its containers that is
// not well, or what keeps it from a node.
func (p *pod) hindrance() string {
	where := "pod " + p.Metadata.Name
	if p.Spec.NodeName != "" {
		where += " on node " + p.Spec.NodeName
	}
	kinds := map[int]string{0: "init container", 1: "container"}
	for i, all := range [][]container{p.Status.InitContainers, p.Status.Containers} {
		for _, c := range all {
			if why := c.hindrance(); why != "" {
				return plain(fmt.Sprintf("%s: %s %s %s", where, kinds[i], c.Name, why))
			}
		}
	}
	_, unscheduled := p.condition("PodScheduled")
	why := cmp.Or(plain(p.Status.Message), plain(unscheduled), plain(p.Status.Reason), "is not ready yet")
	return plain(where + ": " + why)
}

// hindrance is "" for a container that ended well, or runs.
func (c *container) hindrance() string {
	var said []string
	add := func(what string, texts ...string) {
		texts = slices.DeleteFunc(texts, func(s string) bool { return s == "" })
		said = append(said, strings.Join(append([]string{what}, texts...), ": "))
	}
	if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
		add(fmt.Sprintf("ended with code %d", t.ExitCode), plain(t.Reason), plain(t.Message))
	}
	if s := c.State.Waiting; s != nil && s.Reason != "PodInitializing" {
		add("waits", plain(s.Reason), plain(s.Message))
	}
	if t := c.LastState.Terminated; t != nil && t.ExitCode != 0 && !c.Ready {
		add(fmt.Sprintf("ended before with code %d", t.ExitCode), plain(t.Reason), plain(t.Message))
	}
	return strings.Join(said, "; ")
}
