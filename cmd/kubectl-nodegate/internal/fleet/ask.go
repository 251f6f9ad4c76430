// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limits bound what is asked at once, and how long one agent is waited for.
type Limits struct {
	Parallel int
	Timeout  time.Duration
}

// Answer is what came of a question to one node.
type Answer[T any] struct {
	Node  *Node
	Value T
	Err   error
}

// ErrNoAgent is the answer of a node without an agent.
var ErrNoAgent = errors.New("no agent runs here")

// Ask asks each node and returns the answers in the order of the nodes. An agent that
// hangs costs the others nothing but its place.
func Ask[T any](ctx context.Context, nodes []Node, limits Limits, ask func(context.Context, *Node) (T, error)) []Answer[T] {
	out := make([]Answer[T], len(nodes))
	places := make(chan struct{}, limits.Parallel)
	var all sync.WaitGroup
	for i := range nodes {
		out[i].Node = &nodes[i]
		if nodes[i].Agent == nil {
			out[i].Err = ErrNoAgent
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, limits.Timeout)
			defer cancel()
			out[i].Value, out[i].Err = ask(ctx, &nodes[i])
			if out[i].Err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				out[i].Err = fmt.Errorf("no answer within %s: %w", limits.Timeout, context.DeadlineExceeded)
			}
		})
	}
	all.Wait()
	return out
}
