// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// run starts a component on the node; its log is beside the node's files.
func (n *Node) run(name, program string, args ...string) (*node.Process, error) {
	cmd := n.machine.enter("env", append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", program}, args...)...)
	p, err := node.StartProcess(name, cmd, n.logFile(name))
	if err == nil {
		n.processes = append(n.processes, p)
	}
	return p, err
}

func (n *Node) kubernetes(component string, args ...string) (*node.Process, error) {
	return n.run(component, n.options.kubernetes(), append([]string{component}, args...)...)
}

func (n *Node) startContainerd(ctx context.Context) error {
	if n.options.K3s != "" {
		return n.startK3s(ctx)
	}
	p, err := n.run("containerd", "/usr/local/bin/containerd")
	if err != nil {
		return err
	}
	n.containerd = p
	return p.WaitLog(ctx, "containerd successfully booted")
}

// RestartContainerd ends containerd and starts it again, as systemd does; the pods run on.
func (n *Node) RestartContainerd(ctx context.Context) error {
	if n.options.K3s != "" {
		return n.restartK3s(ctx)
	}
	if err := n.end(ctx, n.containerd); err != nil {
		return fmt.Errorf("restarting containerd: %w", err)
	}
	return n.startContainerd(ctx)
}

// RestartKubelet ends the kubelet and starts it again; the pods run on.
func (n *Node) RestartKubelet(ctx context.Context) error {
	if err := n.end(ctx, n.kubelet); err != nil {
		return fmt.Errorf("restarting the kubelet: %w", err)
	}
	return n.startKubelet()
}

// end ends a component and waits for that.
func (n *Node) end(ctx context.Context, p *node.Process) error {
	if err := n.Signal(p, syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for its end: %w", ctx.Err())
	}
}

// Daemon starts a program that runs on the node until it is signalled, as its root.
func (n *Node) Daemon(name, program string, args ...string) (*node.Process, error) {
	return n.run(name, program, args...)
}

// Signal signals what Daemon has started. nsenter, whose child that is, stops with it.
func (n *Node) Signal(p *node.Process, s syscall.Signal) error {
	pid, err := child(p.Pid())
	if err != nil {
		return err
	}
	if s == syscall.SIGCONT {
		return errors.Join(syscall.Kill(pid, s), p.Signal(s))
	}
	return syscall.Kill(pid, s)
}

const admin = "--kubeconfig=/etc/kubernetes/admin.conf"

func (c *Cluster) startControlPlane(ctx context.Context) error {
	etcd, err := c.kubernetes("etcd", "--data-dir=/var/lib/etcd", "--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379")
	if err != nil {
		return err
	}
	if err := etcd.WaitLog(ctx, "ready to serve client requests"); err != nil {
		return err
	}
	api, err := c.kubernetes("kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=0.0.0.0", "--secure-port=443", "--advertise-address="+c.address(), "--cert-dir=/etc/kubernetes/pki",
		"--service-cluster-ip-range=10.96.0.0/24", "--endpoint-reconciler-type=none",
		"--kubelet-preferred-address-types=InternalIP", "--token-auth-file=/etc/kubernetes/tokens.csv", "--authorization-mode=Node,RBAC", "--allow-privileged",
		"--enable-admission-plugins=NodeRestriction",
		// As on older clusters, beside v1.
		"--runtime-config=admissionregistration.k8s.io/v1beta1=true",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=/etc/kubernetes/accounts.key", "--service-account-signing-key-file=/etc/kubernetes/accounts.key")
	if err != nil {
		return err
	}
	if err := api.WaitFor(ctx, "an API that is ready", func() bool {
		_, err := c.Kubectl(ctx, "get", "--raw", "/readyz")
		return err == nil
	}); err != nil {
		return err
	}
	_, err = c.kubernetes("kube-controller-manager", admin, "--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=1000",
		"--service-account-private-key-file=/etc/kubernetes/accounts.key", "--root-ca-file=/etc/kubernetes/pki/apiserver.crt",
		"--cert-dir=/etc/kubernetes/pki-controllers")
	return err
}

func (c *Cluster) startScheduler() error {
	_, err := c.kubernetes("kube-scheduler", admin, "--leader-elect=false", "--cert-dir=/etc/kubernetes/pki-scheduler")
	return err
}

// join starts a node's kubelet, which believes the certificate of the first node's API server.
func (c *Cluster) join(n *Node) error {
	const certificate = "/etc/kubernetes/pki/apiserver.crt"
	if n != c.Node {
		text, err := c.ReadFile(certificate)
		if err != nil {
			return err
		}
		if err := n.WriteFile(certificate, text); err != nil {
			return err
		}
	}
	return n.startKubelet()
}

func (n *Node) startKubelet() error {
	p, err := n.kubernetes("kubelet", "--config=/etc/kubernetes/kubelet.yaml", "--kubeconfig=/etc/kubernetes/node:"+n.Name+".conf",
		"--hostname-override="+n.Name, "--node-ip="+n.address())
	n.kubelet = p
	return err
}

// waitReady waits for a node, and for a kubelet that answers the API server: of a node
// that starts again the condition is that of before.
func (c *Cluster) waitReady(ctx context.Context, n *Node) error {
	err := n.poll(ctx, func() error {
		_, ready := c.Kubectl(ctx, "wait", "node/"+n.Name, "--for=condition=Ready", "--timeout=2s")
		_, answers := c.Kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+n.Name+"/proxy/healthz")
		return errors.Join(ready, answers)
	})
	if err != nil {
		return fmt.Errorf("waiting for %s to be ready: %w\nkubelet:\n%s", n.Name, err, end(n.LogOf("kubelet")))
	}
	return nil
}

// waitAccount waits for what a pod cannot be made without.
func (c *Cluster) waitAccount(ctx context.Context) error {
	return c.poll(ctx, func() error {
		_, err := c.Kubectl(ctx, "get", "serviceaccount", "default", "-n", "default")
		return err
	})
}

// poll tries until there is no error, or a component of the node has ended.
func (n *Node) poll(ctx context.Context, try func() error) error {
	var last error
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil { // else it says no more than that
			last = err
		}
		for _, p := range n.processes {
			if p.Err() != nil {
				return fmt.Errorf("a component ended: %w:\n%s", p.Err(), end(p.Log()))
			}
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func end(text string) string { return text[max(0, len(text)-8<<10):] }
