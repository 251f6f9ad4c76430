// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

const (
	startTimeout = 2 * time.Minute

	// Service is the address of the API, on the nodes and in pods.
	Service = "10.96.0.1"

	// KubernetesEnv names the version of Kubernetes that clusters run.
	KubernetesEnv = "NODEGATE_KUBERNETES"
)

// Options say which cluster to start.
type Options struct {
	// BinDir holds kubernetes, helm, containerd-VERSION/, runc, cni/ and probe.
	// Default: as for a node of package node.
	BinDir string

	// Containerd is the version to run. Default: node.DefaultContainerd.
	Containerd string

	// Kubernetes is the version to run, from BinDir/kubernetes-VERSION. Default:
	// $NODEGATE_KUBERNETES, or that of BinDir/kubernetes.
	Kubernetes string

	// K3s is a release of the stand-in for k3s (hack/pins/k3s), which runs the nodes'
	// containerd then, as a unit of a real systemd. Default: containerd runs alone.
	K3s string

	// Nodes is how many nodes the cluster has. Default: one.
	Nodes int

	// NoNode leaves the node and the scheduler out: objects can be made, and pods stay as
	// they were made.
	NoNode bool
}

// Cluster is a running cluster.
type Cluster struct {
	*Node // the first, which has the control plane too

	// Nodes are all of them.
	Nodes []*Node
}

// Require ends a test that cannot run a cluster here: skipped with the reason, or failed
// where CI or NODEGATE_REQUIRE is set.
func Require(tb node.TB, images ...string) {
	tb.Helper()
	node.Require(tb, node.Options{}, images...)
	dir, err := node.BinDir()
	o := Options{BinDir: dir, Kubernetes: os.Getenv(KubernetesEnv)}
	for _, program := range []string{o.kubernetes(), filepath.Join(dir, "helm")} {
		if err == nil {
			_, err = os.Stat(program)
		}
	}
	if err != nil {
		node.Cannot(tb, "run a cluster here: "+err.Error()+": run make runtimes")
	}
}

// kubernetes is the program that is all of Kubernetes' components.
func (o Options) kubernetes() string {
	dir := o.BinDir
	if o.Kubernetes != "" {
		dir = filepath.Join(dir, "kubernetes-"+o.Kubernetes)
	}
	return filepath.Join(dir, "kubernetes")
}

// Start starts a cluster and returns it when its nodes are ready. One that was started has
// to be closed; one that was not left nothing behind.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if o.BinDir == "" {
		dir, err := node.BinDir()
		if err != nil {
			return nil, err
		}
		o.BinDir = dir
	}
	if o.Containerd == "" {
		o.Containerd = node.DefaultContainerd
	}
	if o.Kubernetes == "" {
		o.Kubernetes = os.Getenv(KubernetesEnv)
	}
	c := &Cluster{}
	for number := 1; number <= max(1, o.Nodes); number++ {
		c.Nodes = append(c.Nodes, newNode(o, number))
	}
	c.Node = c.Nodes[0]
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a cluster: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	for _, n := range c.Nodes {
		if err := n.makeMachine(ctx); err != nil {
			return err
		}
		if err := c.joinNetwork(n); err != nil {
			return err
		}
		if err := n.furnish(); err != nil {
			return err
		}
	}
	if err := c.furnishControlPlane(); err != nil {
		return err
	}
	if c.options.NoNode {
		if err := c.startControlPlane(ctx); err != nil {
			return err
		}
		return c.waitAccount(ctx)
	}
	for _, n := range c.Nodes {
		if err := n.startContainerd(ctx); err != nil {
			return err
		}
	}
	if err := c.startControlPlane(ctx); err != nil {
		return err
	}
	if err := c.startScheduler(); err != nil {
		return err
	}
	for _, n := range c.Nodes {
		if err := c.join(n); err != nil {
			return err
		}
	}
	for _, n := range c.Nodes {
		if err := n.importProbe(ctx); err != nil {
			return err
		}
		if err := c.waitReady(ctx, n); err != nil {
			return err
		}
	}
	return c.waitAccount(ctx)
}

// Close ends all of the cluster's processes at once and removes what it was made of.
func (c *Cluster) Close() error {
	errs := make([]error, len(c.Nodes))
	var all sync.WaitGroup
	for i, n := range c.Nodes {
		all.Go(func() { errs[i] = n.close() })
	}
	all.Wait()
	return errors.Join(errs...)
}
