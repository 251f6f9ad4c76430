// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// NodeName is what the cluster's one node is called.
const NodeName = "node"

const (
	startTimeout = 2 * time.Minute
	address      = "10.89.0.1" // the node's own
	service      = "10.96.0.1" // of the API
)

// Options say which cluster to start.
type Options struct {
	// BinDir holds kubernetes, helm, containerd-VERSION/, runc, cni/ and probe.
	// Default: as for a node of package node.
	BinDir string

	// Containerd is the version to run. Default: node.DefaultContainerd.
	Containerd string

	// K3s is a release of the stand-in for k3s (hack/pins/k3s), which runs the node's
	// containerd then, as a unit of a real systemd. Default: containerd runs alone.
	K3s string

	// NoNode leaves the node and the scheduler out: objects can be made, and pods stay as
	// they were made.
	NoNode bool
}

// Cluster is a running cluster.
type Cluster struct {
	options    Options
	dir        string
	name       string // of the node's cgroup, in every hierarchy
	machine    *machine
	processes  []*node.Process
	containerd *node.Process
	kubelet    *node.Process
}

// Require ends a test that cannot run a cluster here: skipped with the reason, or failed
// where CI or NODEGATE_REQUIRE is set.
func Require(tb node.TB, images ...string) {
	tb.Helper()
	node.Require(tb, node.Options{}, images...)
	dir, err := node.BinDir()
	for _, name := range []string{"kubernetes", "helm"} {
		if err == nil {
			_, err = os.Stat(filepath.Join(dir, name))
		}
	}
	if err != nil {
		node.Cannot(tb, "run a cluster here: "+err.Error()+": run make runtimes")
	}
}

// Start starts a cluster and returns it when its node is ready. One that was started has
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
	c := &Cluster{options: o}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a cluster: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "nodegate-")
	if err != nil {
		return fmt.Errorf("making the cluster's directory: %w", err)
	}
	// The root of a user namespace crosses it to its files.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	c.dir, c.name = dir, filepath.Base(dir)
	if err := makeCgroups(c.name); err != nil {
		return err
	}
	if c.machine, err = startMachine(ctx, dir, c.options.BinDir, c.name); err != nil {
		return err
	}
	if err := c.furnish(); err != nil {
		return err
	}
	steps := []func(context.Context) error{c.startContainerd, c.startControlPlane, c.startScheduler, c.startKubelet, c.importProbe, c.waitReady}
	if c.options.NoNode {
		steps = []func(context.Context) error{c.startControlPlane, c.waitReady}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all of the cluster's processes at once and removes what it was made of.
func (c *Cluster) Close() error {
	if c.machine == nil {
		return os.RemoveAll(c.dir)
	}
	err := c.machine.close()
	if _, gone := os.Stat(c.dir); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("left behind: %s", c.dir))
	}
	return err
}

// LogOf is what a component has written: "kubelet", "containerd", "kube-apiserver", ….
func (c *Cluster) LogOf(component string) string {
	text, err := os.ReadFile(c.logFile(component))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (c *Cluster) logFile(component string) string {
	return filepath.Join(c.dir, component+".log")
}
