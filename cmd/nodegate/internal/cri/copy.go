// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Changes are what a copy of a pod has otherwise.
type Changes struct {
	Handler       string // "" for the pod's own
	UserNamespace bool
	Confined      bool // by the runtime's seccomp profile, whatever the pod says
	// Drop reports whether a mount of a container goes.
	Drop func(container, mountPath string) bool
}

// Copy is a pod made from one that there is, without its privileges. Remove it.
type Copy struct {
	ID string

	client     *Client
	changes    Changes
	sandbox    *runtimeapi.PodSandboxConfig
	containers []*runtimeapi.ContainerConfig
	started    []string // ids of containers
}

// ErrKubelet is that a pod is the kubelet's, which removes pods that it does not know.
var ErrKubelet = errors.New("the kubelet runs this pod, and removes pods that it does not know")

// ids are those of the node that a copy's user namespace has: far from those that kubelets
// hand out, which begin with the lowest.
const (
	firstID = 0x70000000
	idCount = 65536
)

// CopyPod prepares a copy of the pod of a sandbox, with some of its containers by their ids.
// Nothing runs yet.
func (c *Client) CopyPod(ctx context.Context, sandbox string, containers []string, changes Changes) (*Copy, error) {
	r, err := c.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: sandbox, Verbose: true})
	if err != nil {
		return nil, answered("pod "+sandbox, err)
	}
	var info struct {
		Config         *runtimeapi.PodSandboxConfig `json:"config"`
		RuntimeHandler string                       `json:"runtimeHandler"`
	}
	if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil || info.Config == nil {
		return nil, fmt.Errorf("the runtime does not tell what pod %s was made from: containerd does", sandbox)
	}
	if changes.Handler == "" {
		changes.Handler = info.RuntimeHandler
	}
	out := &Copy{client: c, changes: changes, sandbox: info.Config}
	for _, id := range containers {
		r, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id, Verbose: true})
		if err != nil {
			return nil, answered("container "+id, err)
		}
		var info struct {
			Config *runtimeapi.ContainerConfig `json:"config"`
		}
		if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil || info.Config == nil {
			return nil, fmt.Errorf("the runtime does not tell what container %s was made from: containerd does", id)
		}
		if slices.ContainsFunc(info.Config.GetMounts(), out.ofKubelet) {
			return nil, ErrKubelet
		}
		out.containers = append(out.containers, info.Config)
	}
	out.change()
	return out, nil
}

// ofKubelet reports whether a mount is of a kubelet's that runs: it mounts a file below its
// directory into each container, and serves a socket there.
func (p *Copy) ofKubelet(m *runtimeapi.Mount) bool {
	root, _, ok := strings.Cut(m.GetHostPath(), "/pods/"+p.sandbox.GetMetadata().GetUid()+"/")
	if !ok {
		return false
	}
	conn, err := net.Dial("unix", filepath.Join(root, "pod-resources/kubelet.sock"))
	if err == nil {
		_ = conn.Close() // nothing was written
	}
	return err == nil
}

// change takes the privileges away.
func (p *Copy) change() {
	s := p.sandbox
	s.Metadata = &runtimeapi.PodSandboxMetadata{Name: s.GetMetadata().GetName(), Namespace: s.GetMetadata().GetNamespace()}
	s.LogDirectory, s.PortMappings = "", nil // a port of the node may be in use
	if s.Linux == nil {
		s.Linux = &runtimeapi.LinuxPodSandboxConfig{}
	}
	if s.Linux.SecurityContext == nil {
		s.Linux.SecurityContext = &runtimeapi.LinuxSandboxSecurityContext{}
	}
	of := s.Linux.SecurityContext
	of.Privileged = false
	of.NamespaceOptions = p.namespaces(of.NamespaceOptions)
	for _, c := range p.containers {
		p.changeContainer(c)
	}
}

func (p *Copy) changeContainer(c *runtimeapi.ContainerConfig) {
	c.LogPath = ""
	if c.Linux == nil {
		c.Linux = &runtimeapi.LinuxContainerConfig{}
	}
	if c.Linux.SecurityContext == nil {
		c.Linux.SecurityContext = &runtimeapi.LinuxContainerSecurityContext{}
	}
	of := c.Linux.SecurityContext
	of.NamespaceOptions = p.namespaces(of.NamespaceOptions)
	if of.Privileged {
		of.Privileged = false
		if len(of.MaskedPaths) == 0 { // a kubelet says them in any case
			of.MaskedPaths, of.ReadonlyPaths = maskedPaths, readOnlyPaths
		}
	}
	if p.changes.Confined {
		of.Seccomp, of.SeccompProfilePath = &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault}, "" //nolint:staticcheck // what an old kubelet wrote there
	}
	c.Mounts = slices.DeleteFunc(c.Mounts, func(m *runtimeapi.Mount) bool {
		return p.changes.Drop != nil && p.changes.Drop(c.GetMetadata().GetName(), m.GetContainerPath())
	})
	if p.changes.UserNamespace {
		for _, m := range c.Mounts {
			m.UidMappings, m.GidMappings = mapping(), mapping()
		}
	}
}

// What the kubelet has the runtime hide from containers that are not privileged.
var (
	maskedPaths = []string{"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"}
	readOnlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

func mapping() []*runtimeapi.IDMapping {
	return []*runtimeapi.IDMapping{{HostId: firstID, ContainerId: 0, Length: idCount}}
}

func (p *Copy) namespaces(o *runtimeapi.NamespaceOption) *runtimeapi.NamespaceOption {
	if o == nil {
		o = &runtimeapi.NamespaceOption{}
	}
	if p.changes.UserNamespace {
		o.UsernsOptions = &runtimeapi.UserNamespace{Mode: runtimeapi.NamespaceMode_POD, Uids: mapping(), Gids: mapping()}
	}
	return o
}

// Run runs the pod without its containers. It may run again once it is removed.
func (p *Copy) Run(ctx context.Context) error {
	p.sandbox.Metadata.Uid = "nodegate-trial-" + strings.ToLower(rand.Text()[:8])
	r, err := p.client.runtime.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: p.sandbox, RuntimeHandler: p.changes.Handler})
	if err != nil {
		return fmt.Errorf("running a copy of pod %q: %w", p.sandbox.Metadata.Name, plain(err))
	}
	p.ID = r.GetPodSandboxId()
	return nil
}

// Start creates and starts the containers. The error names the first that does not start.
func (p *Copy) Start(ctx context.Context) error {
	for _, c := range p.containers {
		name := c.GetMetadata().GetName()
		r, err := p.client.runtime.CreateContainer(ctx, &runtimeapi.CreateContainerRequest{PodSandboxId: p.ID, Config: c, SandboxConfig: p.sandbox})
		if err == nil {
			p.started = append(p.started, r.GetContainerId())
			_, err = p.client.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: r.GetContainerId()})
		}
		if err != nil {
			return fmt.Errorf("starting a copy of container %q: %w", name, plain(err))
		}
	}
	return nil
}

// Remove ends and removes the pod with its containers, if it runs. The containers go first,
// as with the kubelet: containerd up to 2.4 waits for itself where it removes them with the
// pod while an NRI plugin registers.
func (p *Copy) Remove(ctx context.Context) error {
	if p.ID == "" {
		return nil
	}
	if _, err := p.client.runtime.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: p.ID}); err != nil {
		return fmt.Errorf("stopping the copy of pod %q: %w", p.sandbox.Metadata.Name, plain(err))
	}
	for _, id := range p.started {
		if _, err := p.client.runtime.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: id}); err != nil {
			return fmt.Errorf("removing a container of the copy of pod %q: %w", p.sandbox.Metadata.Name, plain(err))
		}
	}
	if _, err := p.client.runtime.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: p.ID}); err != nil {
		return fmt.Errorf("removing the copy of pod %q: %w", p.sandbox.Metadata.Name, plain(err))
	}
	p.ID, p.started = "", nil
	return nil
}
