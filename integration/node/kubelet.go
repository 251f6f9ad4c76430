// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"maps"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Labels that the kubelet puts on every pod sandbox and container: NRI plugins learn
// the pod's Kubernetes names from them.
const (
	labelPodName       = "io.kubernetes.pod.name"
	labelPodNamespace  = "io.kubernetes.pod.namespace"
	labelPodUID        = "io.kubernetes.pod.uid"
	labelContainerName = "io.kubernetes.container.name"
)

// maskedPaths and readonlyPaths are what the kubelet sends for the default procMount
// (k8s.io/kubernetes/pkg/securitycontext/util.go). containerd's own lists differ, and a
// client that sends none gets none.
func maskedPaths() []string {
	return []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
		"/sys/devices/virtual/powercap",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// bestEffort is the kubelet's translation of a container without requests and limits.
func bestEffort() *runtimeapi.LinuxContainerResources {
	return &runtimeapi.LinuxContainerResources{CpuPeriod: 100000, CpuShares: 2, OomScoreAdj: 1000}
}

// Seccomp is a container's seccomp profile.
type Seccomp string

// The profiles that a pod can name, beside SeccompLocalhost.
const (
	// SeccompDefault is what the kubelet sends for a pod that names no profile:
	// unconfined, unless the kubelet runs with seccompDefault.
	SeccompDefault        Seccomp = ""
	SeccompUnconfined     Seccomp = "Unconfined"
	SeccompRuntimeDefault Seccomp = "RuntimeDefault"
)

// SeccompLocalhost is a profile in a file of the node.
func SeccompLocalhost(path string) Seccomp { return Seccomp("Localhost/" + path) }

func (s Seccomp) profile() *runtimeapi.SecurityProfile {
	const localhost = len("Localhost/")
	switch s {
	case SeccompDefault, SeccompUnconfined:
		return &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Unconfined}
	case SeccompRuntimeDefault:
		return &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault}
	default:
		return &runtimeapi.SecurityProfile{
			ProfileType:  runtimeapi.SecurityProfile_Localhost,
			LocalhostRef: string(s[min(localhost, len(s)):]),
		}
	}
}

// IDMapping maps Size ids from Container on to the host's from Host on.
type IDMapping struct{ Container, Host, Size uint32 }

// namespaceOptions are the same for a sandbox and each of its containers.
func (c PodConfig) namespaceOptions() *runtimeapi.NamespaceOption {
	o := &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_CONTAINER}
	if c.HostNetwork {
		o.Network = runtimeapi.NamespaceMode_NODE
	}
	if c.ShareProcesses {
		o.Pid = runtimeapi.NamespaceMode_POD
	}
	if c.HostPID {
		o.Pid = runtimeapi.NamespaceMode_NODE
	}
	if c.HostIPC {
		o.Ipc = runtimeapi.NamespaceMode_NODE
	}
	if c.UserNamespace {
		// Zero is NamespaceMode_POD; nil is how the kubelet says "the host's".
		o.UsernsOptions = &runtimeapi.UserNamespace{Uids: idMappings(c.UIDMappings), Gids: idMappings(c.GIDMappings)}
	}
	return o
}

func idMappings(mappings []IDMapping) []*runtimeapi.IDMapping {
	out := make([]*runtimeapi.IDMapping, 0, len(mappings))
	for _, m := range mappings {
		out = append(out, &runtimeapi.IDMapping{ContainerId: m.Container, HostId: m.Host, Length: m.Size})
	}
	return out
}

func int64Value(v *int64) *runtimeapi.Int64Value {
	if v == nil {
		return nil
	}
	return &runtimeapi.Int64Value{Value: *v}
}

// merged is a copy of the first map with the second over it.
func merged(base, over map[string]string) map[string]string {
	out := make(map[string]string, len(base)+len(over))
	maps.Copy(out, base)
	maps.Copy(out, over)
	return out
}
