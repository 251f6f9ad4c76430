// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nodegate/nodegate/integration/node"
)

// NodeName is what the cluster's first node is called; the others are node-2, node-3, ….
const NodeName = "node"

// Node is one node of a cluster: a kubelet, containerd and what they run.
type Node struct {
	// Name is what the cluster calls it.
	Name string

	options    Options
	number     int // from 1
	dir        string
	cgroup     string // the name of its pods' cgroup, in every hierarchy
	machine    *machine
	processes  []*node.Process
	containerd *node.Process
	kubelet    *node.Process
}

func newNode(o Options, number int) *Node {
	name := NodeName
	if number > 1 {
		name = fmt.Sprintf("%s-%d", NodeName, number)
	}
	return &Node{Name: name, options: o, number: number}
}

// address is the node's own.
func (n *Node) address() string { return fmt.Sprintf("10.89.0.%d", n.number) }

// pods are the addresses of its pods.
func (n *Node) pods() string { return fmt.Sprintf("10.88.%d.0/24", n.number) }

func (n *Node) makeMachine(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "nodegate-")
	if err != nil {
		return fmt.Errorf("making the directory of %s: %w", n.Name, err)
	}
	// The root of a user namespace crosses it to its files.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	n.dir, n.cgroup = dir, filepath.Base(dir)
	if n.machine, err = startMachine(ctx, dir, n.options.BinDir, n.cgroup, n.number); err != nil {
		return err
	}
	return makeCgroups(n.cgroup)
}

func (n *Node) close() error {
	if n.machine == nil {
		return os.RemoveAll(n.dir)
	}
	err := n.machine.close()
	if _, gone := os.Stat(n.dir); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, fmt.Errorf("left behind: %s", n.dir))
	}
	return err
}

// Reboot ends all that runs on a node at once, as a power cut does, and starts it again:
// its disk is as it was, its /run, /tmp, /dev and cgroups are new. It returns when the
// node is ready. The first node has the control plane and is not rebooted.
func (c *Cluster) Reboot(ctx context.Context, n *Node) error {
	if n == c.Node {
		return fmt.Errorf("rebooting %s: the control plane runs there", n.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.machine.restart(ctx); err != nil {
		return fmt.Errorf("rebooting %s: %w", n.Name, err)
	}
	for _, p := range n.processes {
		<-p.Done()
	}
	n.processes = nil
	if err := makeCgroups(n.cgroup); err != nil {
		return fmt.Errorf("rebooting %s: %w", n.Name, err)
	}
	if err := c.joinNetwork(n); err != nil {
		return err
	}
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	if err := n.startKubelet(); err != nil {
		return err
	}
	return c.waitReady(ctx, n)
}

// Command is a command that runs on the node, as its root.
func (n *Node) Command(program string, args ...string) *exec.Cmd {
	return n.machine.enter(program, args...)
}

// LogOf is what a component has written: "kubelet", "containerd", "kube-apiserver", ….
func (n *Node) LogOf(component string) string {
	text, err := os.ReadFile(n.logFile(component))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (n *Node) logFile(component string) string {
	return filepath.Join(n.dir, component+".log")
}
