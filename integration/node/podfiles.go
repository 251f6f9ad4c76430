// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// podFiles is where the kubelet keeps what it mounts into a pod's containers.
func (n *Node) podFiles(c PodConfig) string { return filepath.Join(n.dir, "pods", c.UID) }

// writeHosts makes the pod's files and the /etc/hosts that each container gets.
func (n *Node) writeHosts(c PodConfig) error {
	dir := n.podFiles(c)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "etc-hosts"), []byte("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"), 0o644)
}

// kubeletMounts are the mounts that every container of a pod has.
func (n *Node) kubeletMounts(c PodConfig, container string) ([]*runtimeapi.Mount, error) {
	dir := filepath.Join(n.podFiles(c), "containers", container)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	message := filepath.Join(dir, "termination-log")
	if err := os.WriteFile(message, nil, 0o666); err != nil {
		return nil, err
	}
	// A process of any id may write it; the umask took that away.
	if err := os.Chmod(message, 0o666); err != nil {
		return nil, err
	}
	return []*runtimeapi.Mount{
		{ContainerPath: "/etc/hosts", HostPath: filepath.Join(n.podFiles(c), "etc-hosts")},
		{ContainerPath: "/dev/termination-log", HostPath: message},
	}, nil
}

// removePodFiles removes the pod's files and cgroups. Its cgroups are found where
// containerd sees them, which is not the host's view in a node with cgroup v2.
func (n *Node) removePodFiles(c PodConfig) error {
	base := filepath.Join("/proc", n.ns.process(), "root/sys/fs/cgroup")
	for _, hierarchy := range []string{"", "*"} {
		dirs, err := filepath.Glob(filepath.Join(base, hierarchy, n.podCgroup(c)))
		if err != nil {
			return fmt.Errorf("looking for cgroups of pod %q: %w", c.Name, err)
		}
		for _, dir := range dirs {
			// Busy or gone through another hierarchy's name: the node's end removes the rest.
			_ = os.Remove(dir)
		}
	}
	if err := os.RemoveAll(n.podFiles(c)); err != nil {
		return fmt.Errorf("removing the files of pod %q: %w", c.Name, err)
	}
	return nil
}

// Remove ends the pod's containers and its sandbox and removes them.
func (p *Pod) Remove(ctx context.Context) error {
	p.mu.Lock()
	containers := make([]*Container, 0, len(p.containers))
	for _, c := range p.containers {
		containers = append(containers, c)
	}
	p.mu.Unlock()
	var errs []error
	for _, c := range containers {
		errs = append(errs, c.Remove(ctx))
	}
	if _, err := p.node.cri.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: p.ID}); err != nil {
		errs = append(errs, fmt.Errorf("stopping pod %q: %w", p.Config.Name, err))
	}
	if _, err := p.node.cri.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: p.ID}); err != nil {
		errs = append(errs, fmt.Errorf("removing pod %q: %w", p.Config.Name, err))
	}
	if err := errors.Join(errs...); err != nil {
		return err // still known: the node's end tries again
	}
	p.node.mu.Lock()
	delete(p.node.pods, p.ID)
	p.node.mu.Unlock()
	if err := os.RemoveAll(p.request.LogDirectory); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the logs of pod %q: %w", p.Config.Name, err)
	}
	return p.node.removePodFiles(p.Config)
}

// RemoveSandbox ends and removes a pod with all its containers, as the kubelet does: the
// containers first. containerd up to 2.4.2 takes the lock that keeps NRI plugins from
// registering once for the pod and, within that, once for each container that is still in
// it. A plugin that registers between the two has all three wait for ever.
func RemoveSandbox(ctx context.Context, cri runtimeapi.RuntimeServiceClient, id string) error {
	if _, err := cri.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("stopping pod sandbox %s: %w", id, err)
	}
	r, err := cri.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{PodSandboxId: id}})
	if err != nil {
		return fmt.Errorf("listing the containers of pod sandbox %s: %w", id, err)
	}
	for _, c := range r.GetContainers() {
		if _, err := cri.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: c.GetId()}); err != nil {
			return fmt.Errorf("removing container %s: %w", c.GetId(), err)
		}
	}
	if _, err := cri.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("removing pod sandbox %s: %w", id, err)
	}
	return nil
}

// removePods removes all pods. Errors of single pods are not told: what a runtime that
// misbehaves does not end is ended by the namespaces' holder.
func (n *Node) removePods(ctx context.Context) {
	n.mu.Lock()
	pods := make([]*Pod, 0, len(n.pods))
	for _, p := range n.pods {
		pods = append(pods, p)
	}
	n.mu.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, p := range pods {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			_ = p.Remove(ctx)
		})
	}
	wg.Wait()
}
