// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/client"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// startTimeout is for containerd to answer and to be ready for pods.
const startTimeout = 30 * time.Second

// Node is a running containerd with the test image. Its methods may be called from
// several goroutines at once.
type Node struct {
	options     Options
	dir         string
	cgroup      string // of all pods, in every hierarchy
	socket      string // containerd's
	state       string // containerd's directory of what runs
	mountpoints []*mountpoint
	ns          *holder
	containerd  *Process
	client      *client.Client
	conn        *grpc.ClientConn
	cri         runtimeapi.RuntimeServiceClient
	image       string // the test image's id

	mu     sync.Mutex
	agents []*Process
	pods   map[string]*Pod // by sandbox id
}

// Start starts a node and returns it when pods can run. A node that was started has to
// be closed, also when ctx was cancelled; one that was not started left nothing behind.
func Start(ctx context.Context, o Options) (*Node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	n := &Node{options: o, pods: map[string]*Pod{}}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a node: %w", err), n.Close())
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	if err := n.makeDirs(); err != nil {
		return err
	}
	if err := writeConfig(n.options, n.dir); err != nil {
		return err
	}
	for _, path := range []string{"/run/containerd", "/var/lib/cni"} {
		m, err := needMountpoint(path)
		if err != nil {
			return err
		}
		n.mountpoints = append(n.mountpoints, m)
	}
	var err error
	if n.ns, err = holdNamespaces(ctx, n.dir, n.cgroup, n.options.CgroupV2); err != nil {
		return err
	}
	if err := n.startContainerd(ctx); err != nil {
		return err
	}
	return n.importProbe(ctx)
}

// makeDirs makes the node's directory. Its path is short, since a socket's may have
// 107 characters.
func (n *Node) makeDirs() error {
	dir, err := os.MkdirTemp("", "nodegate-")
	if err != nil {
		return fmt.Errorf("making the node's directory: %w", err)
	}
	n.dir, n.cgroup = dir, filepath.Base(dir)
	n.socket, n.state = filepath.Join(dir, "containerd.sock"), filepath.Join(dir, "state")
	// The root of a user namespace has to cross it to its root file system.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("opening the node's directory: %w", err)
	}
	for parent := filepath.Dir(dir); parent != "/"; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return fmt.Errorf("looking at the node's directory: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("%q cannot be crossed by pods with a user namespace (mode %v): set TMPDIR to another directory", parent, info.Mode().Perm())
		}
	}
	for _, sub := range []string{"run", "root", "state", "opt", "nri/plugins", "nri/conf.d", "cni", "cni-cache", "conf.d", "handlers", "cdi", "pods", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o711); err != nil {
			return fmt.Errorf("making the node's directory: %w", err)
		}
	}
	return nil
}

// Close ends the pods as the kubelet would, then containerd, then whatever is left, and
// removes the node's directory. It takes no context: it has to finish also when the
// caller's is cancelled.
func (n *Node) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if n.cri != nil {
		n.removePods(ctx)
	}
	n.mu.Lock()
	for _, agent := range n.agents {
		errs = append(errs, agent.stopSoon(ctx))
	}
	n.mu.Unlock()
	if n.conn != nil {
		errs = append(errs, n.conn.Close())
	}
	if n.containerd != nil {
		errs = append(errs, n.containerd.stopSoon(ctx))
	}
	if n.ns != nil {
		errs = append(errs, n.ns.release(context.Background()))
	}
	for _, m := range n.mountpoints {
		m.release()
	}
	if n.dir != "" {
		errs = append(errs, os.RemoveAll(n.dir))
	}
	return joinErrors("closing the node", errs...)
}
