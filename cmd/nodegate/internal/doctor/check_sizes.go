// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/plugin"
)

// sizesLimit bounds the look at all containers.
const sizesLimit = 20 * time.Second

// oneMessage is what the runtime lists without having to divide it, in bytes.
const oneMessage = 4 << 20

// Sizes are the pods of the node by what a plugin has to be told of them.
type Sizes struct {
	Pods []cri.PodSize // largest first
	All  bool          // there was time for all containers
	// NotText: the runtime cannot list them, since a label or an annotation is not UTF-8.
	NotText bool
}

func (g *gatherer) sizes(ctx context.Context, r Fact[Runtime]) Fact[Sizes] {
	if !r.OK() {
		return unknown[Sizes](r.Unknown)
	}
	client, err := cri.Connect(r.Value.Endpoint)
	if err != nil {
		return unknown[Sizes](why(err))
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, sizesLimit)
	defer cancel()
	var s Sizes
	s.Pods, s.All, err = client.Sizes(ctx)
	if errors.Is(err, cri.ErrNotText) {
		return fact(Sizes{NotText: true})
	}
	return factOr(s, err)
}

// crowded is the namespace whose pods are the largest together.
func crowded(pods []cri.PodSize) (most string) {
	sizes := map[string]int{}
	for _, p := range pods {
		namespace, _, _ := strings.Cut(p.Name, "/")
		sizes[namespace] += p.Whole
		if sizes[namespace] > sizes[most] {
			most = namespace
		}
	}
	return most
}

// checkSizes names the pods that can keep an agent from registering: all that are larger
// than it lets be created, or, while it cannot register, than each has room for.
func checkSizes(f *Facts) []Finding {
	if !f.Sizes.OK() {
		return cannotTell(f.Sizes.Unknown)
	}
	if f.Sizes.Value.NotText {
		return one(Problem, "a label or an annotation of a pod is not UTF-8, and the runtime can list no pods to an agent that registers",
			"restart the runtime, which replaces such bytes (docs/troubleshooting.md)")
	}
	out := f.Agent.OK() && f.Agent.Value.Err == nil && !f.Agent.Value.Ready
	all, own := 0, 0
	for _, p := range f.Sizes.Value.Pods {
		all += p.Whole
		if p.Own > plugin.OrdinaryBytes {
			own += p.Own
		}
	}
	crowd := out && own > plugin.MaxLargeBytes
	var large []string
	for _, p := range f.Sizes.Value.Pods {
		if p.Own > plugin.MaxPodBytes || p.Whole > plugin.MaxWholeBytes || out && p.Whole > plugin.ShareBytes || crowd && p.Own > plugin.OrdinaryBytes {
			large = append(large, fmt.Sprintf("%s (%d KiB)", p.Name, p.Whole>>10))
		}
	}
	looked := ""
	if !f.Sizes.Value.All {
		looked = "; there was no time to look at all containers"
	}
	switch {
	case len(large) > 0:
		const most = 10
		more := ""
		if len(large) > most {
			more = fmt.Sprintf(" and %d more", len(large)-most)
		}
		return one(Problem, "the runtime cannot list these to an agent that registers: "+strings.Join(large[:min(len(large), most)], ", ")+more+looked,
			"delete these pods; labels, annotations and environments make them so large (docs/troubleshooting.md)")
	case out && all > oneMessage:
		return one(Warning, fmt.Sprintf("no pod is too large to be listed, but all %d have %d KiB together, most in namespace %s%s", len(f.Sizes.Value.Pods), all>>10, crowded(f.Sizes.Value.Pods), looked),
			"delete pods that have ended, if the agent's log says that registration fails")
	case !f.Sizes.Value.All:
		return one(Warning, "no pod is too large to be listed"+looked, "run nodegate doctor again")
	case len(f.Sizes.Value.Pods) == 0:
		return one(OK, "there are no pods", "")
	}
	p := f.Sizes.Value.Pods[0]
	return one(OK, fmt.Sprintf("the largest pod, %s, has %d KiB", p.Name, p.Whole>>10), "")
}
