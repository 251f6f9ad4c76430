// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// run starts a component on the node; its log is beside the node's files.
func (c *Cluster) run(name, program string, args ...string) (*node.Process, error) {
	cmd := c.machine.enter("env", append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", program}, args...)...)
	p, err := node.StartProcess(name, cmd, c.logFile(name))
	if err == nil {
		c.processes = append(c.processes, p)
	}
	return p, err
}

func (c *Cluster) kubernetes(component string, args ...string) (*node.Process, error) {
	return c.run(component, filepath.Join(c.options.BinDir, "kubernetes"), append([]string{component}, args...)...)
}

func (c *Cluster) startContainerd(ctx context.Context) error {
	if c.options.K3s != "" {
		return c.startK3s(ctx)
	}
	p, err := c.run("containerd", "/usr/local/bin/containerd")
	if err != nil {
		return err
	}
	c.containerd = p
	return p.WaitLog(ctx, "containerd successfully booted")
}

// RestartContainerd ends containerd and starts it again, as systemd does; the pods run on.
func (c *Cluster) RestartContainerd(ctx context.Context) error {
	if c.options.K3s != "" {
		return c.restartK3s(ctx)
	}
	if err := c.end(ctx, c.containerd); err != nil {
		return fmt.Errorf("restarting containerd: %w", err)
	}
	return c.startContainerd(ctx)
}

// RestartKubelet ends the kubelet and starts it again; the pods run on.
func (c *Cluster) RestartKubelet(ctx context.Context) error {
	if err := c.end(ctx, c.kubelet); err != nil {
		return fmt.Errorf("restarting the kubelet: %w", err)
	}
	return c.startKubelet(ctx)
}

// end ends a component and waits for that.
func (c *Cluster) end(ctx context.Context, p *node.Process) error {
	if err := c.Signal(p, syscall.SIGTERM); err != nil {
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
func (c *Cluster) Daemon(name, program string, args ...string) (*node.Process, error) {
	return c.run(name, program, args...)
}

// Signal signals what Daemon has started. nsenter, whose child that is, stops with it.
func (c *Cluster) Signal(p *node.Process, s syscall.Signal) error {
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
		"--bind-address=0.0.0.0", "--secure-port=443", "--advertise-address="+address, "--cert-dir=/etc/kubernetes/pki",
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

func (c *Cluster) startScheduler(context.Context) error {
	_, err := c.kubernetes("kube-scheduler", admin, "--leader-elect=false", "--cert-dir=/etc/kubernetes/pki-scheduler")
	return err
}

func (c *Cluster) startKubelet(context.Context) error {
	p, err := c.kubernetes("kubelet", "--config=/etc/kubernetes/kubelet.yaml", "--kubeconfig=/etc/kubernetes/node:"+NodeName+".conf",
		"--hostname-override="+NodeName, "--node-ip="+address)
	c.kubelet = p
	return err
}

// waitReady waits for the node, and for what a pod cannot be made without.
func (c *Cluster) waitReady(ctx context.Context) error {
	var last error
	for {
		var node error
		if !c.options.NoNode {
			_, node = c.Kubectl(ctx, "wait", "node/"+NodeName, "--for=condition=Ready", "--timeout=2s")
		}
		_, account := c.Kubectl(ctx, "get", "serviceaccount", "default", "-n", "default")
		if node == nil && account == nil {
			return nil
		}
		if ctx.Err() == nil { // else it says no more than that
			last = errors.Join(node, account)
		}
		for _, p := range c.processes {
			if p.Err() != nil {
				return fmt.Errorf("a component ended: %w:\n%s", p.Err(), end(p.Log()))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the node to be ready: %w\nkubelet:\n%s", last, end(c.LogOf("kubelet")))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func end(text string) string { return text[max(0, len(text)-8<<10):] }

// Command is a command that runs on the node, as its root.
func (c *Cluster) Command(program string, args ...string) *exec.Cmd {
	return c.machine.enter(program, args...)
}
