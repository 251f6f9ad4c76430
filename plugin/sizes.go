// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nodegate/nodegate/plugin/policy"
)

// When a plugin registers, NRI sends it all pods and containers of the node within 2 s, in
// messages of at most 4 MiB. A list that is larger it cuts into parts of as many pods and
// containers as should fit by the average, rounded down, and each part again by a tenth or
// more until it fits. Up to NRI 0.12.5 that has three faults, and each of them keeps the
// agent out for as long as the pods are there, or ends the runtime (TestUpstreamSplit):
//
//   - Eight objects or fewer it does not cut further. Nine that are too large become seven or
//     fewer by two roundings, which it makes four pods and four containers, even if fewer are
//     left to send. So any ten objects have to fit: eleven that do not become nine or more
//     (11 × 0.9, each kind rounded down), and neither limit is ever reached. Ten containers
//     of 384 KiB are 3,840 KiB; that leaves each 25 KiB for what it gets from plugins.
//   - A part of many containers and few pods may have its pods rounded down to none, and then
//     the rest of the pods is never sent. Where no pod is larger than 512 KiB, its containers
//     included, a part that fits has eight pods by the average, and some roundings to go.
//   - The same with few containers and many pods, whose containers have ended, for a pod is
//     listed until it is removed. Nobody knows which containers are left when an agent
//     comes: so the pods of more than 4 KiB have 2 MiB together, whatever runs. Beside these
//     and 500 pods of 4 KiB it takes three containers that run, beside 2,000 fifteen.
//
// And 64 MiB take half a second, on a machine that is busy more than one. That is 110 pods
// of 512 KiB and more. What a node has above that is divided among 2,000 pods: each may have
// 32 KiB.
//
// Sizes are those of NRI's own encoding, which is what its messages are made of. A label or
// an annotation counts as 64 bytes more than it has: that is what it takes of the runtime's
// time, and a pod may have thousands of very short ones.
const (
	entryBytes        = 64
	MaxPodBytes       = 64 << 10  // of a pod itself: its labels and annotations, mostly
	maxContainerBytes = 384 << 10 // of a container: its environment and arguments, mostly
	MaxWholeBytes     = 512 << 10 // of a pod with all its containers
	maxNodeBytes      = 64 << 20  // of all pods
	ShareBytes        = 32 << 10  // a pod of this size, with its containers, has room on every node
	OrdinaryBytes     = 4 << 10   // a pod itself of this size too
	MaxLargeBytes     = 2 << 20   // of all pods themselves that are larger
)

// sizes are the pods of the node by their size, as a runtime would list them now. A
// container is known by its name: one that is created again takes the former one's place,
// however that ended.
type sizes struct {
	mu    sync.Mutex
	byID  map[string]*podSizes
	total int
	large int // of pods that are larger than OrdinaryBytes, themselves
}

type podSizes struct {
	name       string // with its namespace
	own, whole int
	containers map[string]int
}

// addPod notes a pod and returns the size of all large ones.
func (s *sizes) addPod(id, name string, bytes int) (large int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pod(id)
	p.name = name
	s.grow(p, bytes-p.own)
	s.large += ifLarge(bytes) - ifLarge(p.own)
	p.own = bytes
	return s.large
}

// ifLarge is what a pod takes of what large ones have together.
func ifLarge(own int) int {
	if own <= OrdinaryBytes {
		return 0
	}
	return own
}

// addContainer notes a container and returns the size of its pod with all its containers,
// and of all pods.
func (s *sizes) addContainer(podID, name string, bytes int) (whole, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pod(podID)
	s.grow(p, bytes-p.containers[name])
	p.containers[name] = bytes
	return p.whole, s.total
}

func (s *sizes) removeContainer(podID, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.byID[podID]; p != nil {
		s.grow(p, -p.containers[name])
		delete(p.containers, name)
	}
}

func (s *sizes) removePod(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.byID[id]; p != nil {
		s.total -= p.whole
		s.large -= ifLarge(p.own)
		delete(s.byID, id)
	}
}

// replace puts what the runtime has listed in the place of what is known.
func (s *sizes) replace(by *sizes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID, s.total, s.large = by.byID, by.total, by.large
}

func (s *sizes) pod(id string) *podSizes {
	if s.byID == nil {
		s.byID = map[string]*podSizes{}
	}
	p := s.byID[id]
	if p == nil {
		p = &podSizes{containers: map[string]int{}}
		s.byID[id] = p
	}
	return p
}

func (s *sizes) grow(p *podSizes, by int) {
	p.whole += by
	s.total += by
}

// largePod is the refusal of a pod, or nil. large is the size of all large ones.
func largePod(name string, bytes, large int) *policy.Refusal {
	switch {
	case bytes > MaxPodBytes:
		return tooLarge(name, "pod %s has %s of labels and annotations, and at most %s can be told to a plugin of the runtime",
			name, kib(bytes), kib(MaxPodBytes)).Advise("give it fewer or shorter ones")
	case bytes > OrdinaryBytes && large > MaxLargeBytes:
		return tooLarge(name, "pod %s has %s of labels and annotations, and the pods of this node that have more than %s have %s together, where %s can be told to a plugin of the runtime",
			name, kib(bytes), kib(OrdinaryBytes), kib(large), kib(MaxLargeBytes)).Advise("remove pods that have ended, or give it less than %s", kib(OrdinaryBytes))
	}
	return nil
}

// largeContainer is the refusal of a container, or nil. whole is its pod's size, and total
// that of all pods.
func largeContainer(r *policy.Request, bytes, whole, total int) *policy.Refusal {
	const instead = "put large values into files, such as a mounted ConfigMap, or set enableServiceLinks: false"
	switch {
	case bytes > maxContainerBytes:
		return r.Refuse(policy.TooLarge, "", "has %s of environment, arguments and mounts, and at most %s can be told to a plugin of the runtime",
			kib(bytes), kib(maxContainerBytes)).Advise("%s", instead)
	case whole > MaxWholeBytes:
		return r.Refuse(policy.TooLarge, "", "makes its pod as large as %s, and at most %s can be told to a plugin of the runtime",
			kib(whole), kib(MaxWholeBytes)).Advise("%s", instead)
	case whole > ShareBytes && total > maxNodeBytes:
		return r.Refuse(policy.TooLarge, "", "makes its pod as large as %s, and there is room for %s on a node whose pods have %s together, of %s that can be told to a plugin of the runtime",
			kib(whole), kib(ShareBytes), kib(total), kib(maxNodeBytes)).Advise("%s", instead)
	}
	return nil
}

func tooLarge(pod, format string, args ...any) *policy.Refusal {
	return &policy.Refusal{Cause: policy.Cause{Code: policy.TooLarge, Subject: pod, Text: fmt.Sprintf("nodegate: "+format, args...)}}
}

// kib rounds up, so that what is above a limit reads so.
func kib(bytes int) string { return fmt.Sprintf("%d KiB", (bytes+1023)>>10) }

// largest names up to three pods that are known, by size.
func (s *sizes) largest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var large []*podSizes
	for _, p := range s.byID {
		if p.whole > ShareBytes || p.own > OrdinaryBytes {
			large = append(large, p)
		}
	}
	slices.SortFunc(large, func(a, b *podSizes) int {
		return cmp.Or(cmp.Compare(b.whole, a.whole), cmp.Compare(a.name, b.name))
	})
	var words []string
	for _, p := range large[:min(len(large), 3)] {
		words = append(words, fmt.Sprintf("%s (%s)", p.name, kib(p.whole)))
	}
	return strings.Join(words, ", ")
}
