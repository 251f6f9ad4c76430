// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// Fifty pods at once, every other one with a user namespace and every other of those
// granted: each has its own and nothing of another's, and nothing stays.
func TestManyPods(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/net/tun")
	const pods = 50
	n := it.SharedNode(t)
	g, _ := it.StartAgent(t, n, it.GrantApart("ping", "fuse", "tun", "named")+"[profiles.named.env]\nGATE = \"open\"\n")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	began := time.Now()
	var (
		wg      sync.WaitGroup
		running [pods]*node.Pod
		ready   [pods]time.Duration
		answers [pods]string
		ids     [pods]string
	)
	for i := range pods {
		wg.Go(func() {
			began := time.Now()
			p, err := n.RunPod(ctx, manyPod(i))
			if err != nil {
				t.Error(err)
				return
			}
			running[i] = p
			c, err := p.RunContainer(ctx, node.ContainerConfig{Seccomp: node.SeccompRuntimeDefault,
				RunAsUser: new(int64(1000)), DropCapabilities: []string{"NET_RAW"}})
			if err != nil {
				t.Error(err)
				return
			}
			ready[i], ids[i] = time.Since(began), c.ID
			answers[i], err = c.Probe(ctx, "each", "open /dev/fuse rw", "open /dev/net/tun rw", "env GATE", "sysctl "+it.PingRange)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("%d pods answered in %v; the slowest was ready after %v", pods, time.Since(began).Round(time.Millisecond), slowest(ready[:]).Round(time.Millisecond))

	shadows := 0
	for i := range pods {
		if answers[i] != manyWant(i) {
			t.Errorf("pod %d (%s): %s, want %s", i, manyRequest(i), answers[i], manyWant(i))
		}
		nodes, _ := filepath.Glob(filepath.Join(g.Shadows, ids[i], "*")) // the pattern is good
		shadows += len(nodes)
		for _, path := range nodes {
			if owner := hostStat(t, path).Uid; owner != manyBase(i) {
				t.Errorf("pod %d: %s belongs to uid %d, want %d", i, path, owner, manyBase(i))
			}
		}
	}
	if want := 13; shadows != want { // pods 1, 5, … 49
		t.Errorf("%d shadow nodes, want %d", shadows, want)
	}

	began = time.Now()
	for _, p := range running {
		if p != nil {
			wg.Go(func() {
				if err := p.Remove(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	t.Logf("removed in %v", time.Since(began).Round(time.Millisecond))
	if left := g.Left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// manyRequest alternates between two devices, by pod.
func manyRequest(i int) string {
	return []string{"ping,fuse,named", "ping,tun,named", "", ""}[i%4]
}

// manyBase is the first host id of a pod with a user namespace: as from the kubelet,
// no two pods share one.
func manyBase(i int) uint32 { return uint32(i+2) * 65536 }

func manyPod(i int) node.PodConfig {
	ids := []node.IDMapping{{Container: 0, Host: manyBase(i), Size: 65536}}
	return node.PodConfig{Name: fmt.Sprintf("many-%d", i), Namespace: "ci", Annotations: it.AskFor(manyRequest(i)),
		UserNamespace: i%2 == 1, UIDMappings: ids, GIDMappings: ids}
}

func manyWant(i int) string {
	switch i % 4 {
	case 0:
		return `["ok","ENOENT","open","0 2147483647"]`
	case 1:
		return `["ENOENT","ok","open","0 65535"]`
	case 2:
		return `["ENOENT","ENOENT","unset","0 2147483647"]`
	}
	return `["ENOENT","ENOENT","unset","65534 65534"]`
}

func slowest(all []time.Duration) time.Duration {
	var most time.Duration
	for _, d := range all {
		most = max(most, d)
	}
	return most
}
