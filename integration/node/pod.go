// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// PodConfig is what a test says of a pod; the rest is what the kubelet would send.
type PodConfig struct {
	Name      string // required
	Namespace string // default: "default"
	UID       string // default: Namespace-Name, so two pods of a name need one

	Labels, Annotations map[string]string
	Handler             string // runtime handler, of the pod's RuntimeClass

	// UserNamespace is hostUsers: false. The mappings default to 0 100000 65536.
	UserNamespace            bool
	UIDMappings, GIDMappings []IDMapping

	HostNetwork, HostPID, HostIPC bool
	// ShareProcesses is shareProcessNamespace: true.
	ShareProcesses        bool
	Privileged            bool // one of the containers is privileged
	Sysctls               map[string]string
	RunAsUser, RunAsGroup *int64
	SupplementalGroups    []int64

	// Customize changes the request last, for what no field says.
	Customize func(*runtimeapi.PodSandboxConfig)
}

// Pod is a pod sandbox that runs.
type Pod struct {
	ID     string
	Config PodConfig

	node    *Node
	request *runtimeapi.PodSandboxConfig // the CRI wants it again with each container

	mu         sync.Mutex
	containers map[string]*Container
}

// RunPod runs a pod's sandbox. A refusal wraps an *EventError.
func (n *Node) RunPod(ctx context.Context, c PodConfig) (*Pod, error) {
	if c.Name == "" {
		return nil, errors.New("running a pod: it has no name")
	}
	c = c.withDefaults()
	if c.UserNamespace {
		if err := n.checkUserNamespaces(ctx, c.Handler); err != nil {
			return nil, sandboxError(err)
		}
	}
	request := n.sandboxConfig(c)
	if err := os.MkdirAll(request.LogDirectory, 0o755); err != nil {
		return nil, fmt.Errorf("running pod %q: %w", c.Name, err)
	}
	if err := n.writeHosts(c); err != nil {
		return nil, fmt.Errorf("running pod %q: %w", c.Name, err)
	}
	r, err := n.cri.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: request, RuntimeHandler: c.Handler})
	if err != nil {
		return nil, errors.Join(sandboxError(err), n.removePodFiles(c))
	}
	p := &Pod{ID: r.GetPodSandboxId(), Config: c, node: n, request: request, containers: map[string]*Container{}}
	n.mu.Lock()
	n.pods[p.ID] = p
	n.mu.Unlock()
	return p, nil
}

func (c PodConfig) withDefaults() PodConfig {
	if c.Namespace == "" {
		c.Namespace = "default"
	}
	if c.UID == "" {
		c.UID = c.Namespace + "-" + c.Name
	}
	if c.UserNamespace {
		if c.UIDMappings == nil {
			c.UIDMappings = []IDMapping{{0, 100000, 65536}}
		}
		if c.GIDMappings == nil {
			c.GIDMappings = []IDMapping{{0, 100000, 65536}}
		}
	}
	return c
}

func (n *Node) sandboxConfig(c PodConfig) *runtimeapi.PodSandboxConfig {
	r := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: c.Name, Uid: c.UID, Namespace: c.Namespace},
		LogDirectory: filepath.Join(n.dir, "logs", c.Namespace+"_"+c.Name+"_"+c.UID),
		DnsConfig:    &runtimeapi.DNSConfig{},
		Labels:       merged(c.Labels, c.labels()),
		Annotations:  merged(map[string]string{"kubernetes.io/config.source": "api"}, c.Annotations),
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent: n.podCgroup(c),
			Sysctls:      c.Sysctls,
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
				NamespaceOptions:   c.namespaceOptions(),
				Privileged:         c.Privileged,
				RunAsUser:          int64Value(c.RunAsUser),
				RunAsGroup:         int64Value(c.RunAsGroup),
				SupplementalGroups: c.SupplementalGroups,
				// The kubelet runs the sandbox itself with the runtime's profile, always.
				Seccomp: SeccompRuntimeDefault.profile(),
			},
			Resources: &runtimeapi.LinuxContainerResources{CpuPeriod: 100000, CpuShares: 2},
		},
	}
	if !c.HostNetwork {
		r.Hostname = c.Name
	}
	if c.Customize != nil {
		c.Customize(r)
	}
	return r
}

func (c PodConfig) labels() map[string]string {
	return map[string]string{labelPodName: c.Name, labelPodNamespace: c.Namespace, labelPodUID: c.UID}
}

// podCgroup is a path, or for systemd's driver a slice, as the kubelet names it.
func (n *Node) podCgroup(c PodConfig) string {
	if n.options.SystemdCgroup {
		return "/" + n.cgroup + "-besteffort-pod" + strings.ReplaceAll(c.UID, "-", "_") + ".slice"
	}
	return filepath.Join("/", n.cgroup, "besteffort", "pod"+c.UID)
}

// Spec is the config.json that the OCI runtime got for the sandbox itself.
func (p *Pod) Spec() (*specs.Spec, error) { return p.node.readSpec(p.ID) }

// Pid is the sandbox's process in the caller's PID namespace.
func (p *Pod) Pid() (int, error) { return p.node.readPid(p.ID) }

// IP is the pod's address; the node's end of its network is 10.88.0.1.
func (p *Pod) IP(ctx context.Context) (string, error) {
	r, err := p.node.cri.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: p.ID})
	if err != nil {
		return "", fmt.Errorf("asking for the address of pod %q: %w", p.Config.Name, err)
	}
	return r.GetStatus().GetNetwork().GetIp(), nil
}
