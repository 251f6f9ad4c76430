// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// criNamespace is where containerd's CRI keeps images and containers.
const criNamespace = "k8s.io"

// startContainerd starts containerd and returns when the runtime and its network are
// ready for pods.
func (n *Node) startContainerd(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := n.ns.enter(n.options.containerd(),
		"--config", filepath.Join(n.dir, "config.toml"),
		"--address", n.socket,
		"--root", filepath.Join(n.dir, "root"),
		"--state", n.state)
	cmd.Env = append(os.Environ(), "PATH="+n.path())
	p, err := StartProcess("containerd", cmd, filepath.Join(n.dir, "containerd.log"))
	if err != nil {
		return err
	}
	n.containerd = p
	if err := n.connect(); err != nil {
		return err
	}
	return p.WaitFor(ctx, "a runtime that is ready", func() bool { return n.ready(ctx) })
}

// path is containerd's PATH: it looks there for its shim, and the shim for runc.
func (n *Node) path() string {
	path := filepath.Dir(n.options.containerd()) + ":" + os.Getenv("PATH")
	if n.options.PATH != "" {
		path = n.options.PATH + ":" + path
	}
	return path
}

func (n *Node) connect() error {
	if n.conn != nil {
		return nil // gRPC reconnects by itself
	}
	conn, err := grpc.NewClient("unix://"+n.socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return invoke(namespaced(ctx), method, req, reply, cc, opts...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(namespaced(ctx), desc, cc, method, opts...)
		}),

		// gRPC's own back-off is a second and more: longer than containerd takes to start.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.2, MaxDelay: 200 * time.Millisecond}}))
	if err != nil {
		return fmt.Errorf("connecting to containerd: %w", err)
	}
	n.conn, n.cri = conn, runtimeapi.NewRuntimeServiceClient(conn)
	if n.client, err = client.NewWithConn(conn, client.WithDefaultNamespace(criNamespace)); err != nil {
		return fmt.Errorf("connecting to containerd: %w", err)
	}
	return nil
}

// namespaced says which of containerd's namespaces a call is about; the CRI ignores it.
func namespaced(ctx context.Context) context.Context {
	return namespaces.WithNamespace(ctx, criNamespace)
}

func (n *Node) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	status, err := n.cri.Status(ctx, &runtimeapi.StatusRequest{})
	if err != nil {
		return false
	}
	for _, c := range status.GetStatus().GetConditions() {
		if (c.Type == runtimeapi.RuntimeReady || c.Type == runtimeapi.NetworkReady) && !c.Status {
			return false
		}
	}
	return true
}

// Containerd is the process of containerd, of its present run.
func (n *Node) Containerd() *Process { return n.containerd }

// CRI is the CRI's client, for what this package has no words for.
func (n *Node) CRI() runtimeapi.RuntimeServiceClient { return n.cri }

// Client is containerd's own client, in the CRI's namespace.
func (n *Node) Client() *client.Client { return n.client }

// RestartContainerd ends containerd and starts it again; the pods run on. No other
// method may be called meanwhile.
func (n *Node) RestartContainerd(ctx context.Context) error {
	if err := n.containerd.Stop(ctx); err != nil {
		return fmt.Errorf("restarting containerd: %w", err)
	}
	if err := n.startContainerd(ctx); err != nil {
		return fmt.Errorf("restarting containerd: %w", err)
	}
	return nil
}
