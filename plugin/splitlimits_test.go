// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// A node has as many pods as the kubelet lets it have, each as large as is accepted, and
// as many that have ended as docs/security.md names. NRI can list them in any order.
func TestAttackEndedPodsAtTheLimits(t *testing.T) {
	for _, running := range []int{3, 10, 30, 110, 250, 500} {
		t.Run(fmt.Sprint(running), func(t *testing.T) {
			for _, whole := range []int{8 << 10, ShareBytes, MaxWholeBytes} {
				pods, ctrs := fullNode(running, whole)
				ended := 120*len(ctrs) + 250
				pods = append(pods, slices.Repeat([]int{OrdinaryBytes}, min(ended, 6000))...)
				r := rand.New(rand.NewPCG(1, uint64(running))) //nolint:gosec // the same orders each time
				for try := range 40 {
					switch try {
					case 0: // as they come: large ones first
					case 1:
						slices.Sort(pods)
					default:
						r.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
						r.Shuffle(len(ctrs), func(i, j int) { ctrs[i], ctrs[j] = ctrs[j], ctrs[i] })
					}
					if why := split(pods, ctrs); why != "" {
						t.Fatalf("order %d of %d pods of %s and %d that have ended: %s", try, running, kib(whole), ended, why)
					}
				}
			}
		})
	}
}

// fullNode is the sizes of so many pods and their containers, at every limit.
func fullNode(running, whole int) (pods, ctrs []int) {
	total, large := 0, 0
	for range running {
		size := whole
		if total+size > maxNodeBytes {
			size = ShareBytes
		}
		own := OrdinaryBytes
		if size > MaxPodBytes && large+MaxPodBytes <= MaxLargeBytes {
			own = MaxPodBytes
			large += own
		}
		pods = append(pods, own)
		for left := size - own; left > 0; left -= maxContainerBytes {
			ctrs = append(ctrs, min(left, maxContainerBytes))
		}
		total += size
	}
	for ; large+MaxPodBytes <= MaxLargeBytes; large += MaxPodBytes { // have ended
		pods = append(pods, MaxPodBytes)
	}
	return pods, ctrs
}

// TestSplitIsAsUpstream holds the arithmetic to what NRI's own code does.
func TestSplitIsAsUpstream(t *testing.T) {
	for _, tc := range upstreamSplits() {
		pods, ctrs := tc.lists()
		if got := split(sizesOf(pods), sizesOf(ctrs)); (got == "") != (tc.want == "") || !strings.HasPrefix(tc.want, got) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func sizesOf[M proto.Message](list []M) (out []int) {
	for _, m := range list {
		out = append(out, proto.Size(m))
	}
	return out
}

// split is what NRI 0.12.5 does with a list, by the sizes of what is in it: "" if it can
// be sent.
func split(pods, ctrs []int) string {
	const limit, least, overhead = 4 << 20, 8, 8 // overhead is of an object's encoding in the list
	podsPerMsg, ctrsPerMsg := len(pods), len(ctrs)
	for {
		if podsPerMsg > len(pods) || ctrsPerMsg > len(ctrs) {
			return "panic"
		}
		size := overhead * (podsPerMsg + ctrsPerMsg)
		for _, bytes := range pods[:podsPerMsg] {
			size += bytes
		}
		for _, bytes := range ctrs[:ctrsPerMsg] {
			size += bytes
		}
		switch {
		case size <= limit && podsPerMsg == len(pods) && ctrsPerMsg == len(ctrs):
			return ""
		case size <= limit:
			pods, ctrs = pods[podsPerMsg:], ctrs[ctrsPerMsg:]
			podsPerMsg, ctrsPerMsg = min(podsPerMsg, len(pods)), min(ctrsPerMsg, len(ctrs))
			if podsPerMsg+ctrsPerMsg == 0 {
				return "deadline exceeded" // for it sends nothing from now on, for ever
			}
		case podsPerMsg+ctrsPerMsg <= least:
			return "failed to synchronize plugin with split messages"
		default:
			factor := min(float64(limit)/float64(size), 0.9)
			podsPerMsg, ctrsPerMsg = int(float64(podsPerMsg)*factor), int(float64(ctrsPerMsg)*factor)
			if podsPerMsg+ctrsPerMsg < least {
				podsPerMsg, ctrsPerMsg = least/2, least/2
			}
		}
	}
}
