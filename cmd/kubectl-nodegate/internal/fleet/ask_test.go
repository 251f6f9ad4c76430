// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// No more than so many are asked at once, each for so long, and the answers are in the
// order of the nodes.
func TestAsk(t *testing.T) {
	nodes := make([]Node, 300)
	for i := range nodes {
		nodes[i].Name = fmt.Sprint(i)
		if i != 150 {
			nodes[i].Agent = &corev1.Pod{}
		}
	}
	var now, most atomic.Int64
	answers := Ask(t.Context(), nodes, Limits{Parallel: 7, Timeout: time.Second}, func(ctx context.Context, n *Node) (string, error) {
		if at := now.Add(1); at > most.Load() {
			most.Store(at)
		}
		defer now.Add(-1)
		if n.Name == "42" {
			<-ctx.Done()
			return "", errors.New("the connection is closed")
		}
		return n.Name, nil
	})
	if most.Load() > 7 {
		t.Errorf("%d were asked at once", most.Load())
	}
	for i, a := range answers {
		switch {
		case i == 150:
			if !errors.Is(a.Err, ErrNoAgent) {
				t.Errorf("without an agent: %v", a.Err)
			}
		case i == 42:
			if a.Err == nil || !strings.HasPrefix(a.Err.Error(), "no answer within 1s") {
				t.Errorf("one that hangs: %v", a.Err)
			}
		case a.Err != nil || a.Value != fmt.Sprint(i) || a.Node.Name != a.Value:
			t.Errorf("%d: %+v", i, a)
		}
	}
}
