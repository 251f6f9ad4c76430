// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"slices"
	"strings"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// requestOf reads who asks from what the runtime sent. It copies nothing: for
// most containers the answer is that no grant concerns them.
func requestOf(pod *api.PodSandbox, ctr *api.Container) policy.Request {
	return policy.Request{
		Namespace:     pod.GetNamespace(),
		Pod:           pod.GetName(),
		Labels:        pod.GetLabels(),
		Annotations:   pod.GetAnnotations(),
		Container:     ctr.GetName(),
		Handler:       pod.GetRuntimeHandler(),
		Allotted:      policy.Claims(ctr.GetAnnotations()),
		UserNamespace: hasUserNamespace(pod, ctr),
	}
}

// hasUserNamespace looks at the pod's namespaces and the container's: the
// runtime sends them for both. No list at all means that it did not tell.
func hasUserNamespace(pod *api.PodSandbox, ctr *api.Container) policy.Known[bool] {
	ofPod, ofContainer := pod.GetLinux().GetNamespaces(), ctr.GetLinux().GetNamespaces()
	if len(ofPod) == 0 && len(ofContainer) == 0 {
		return policy.Known[bool]{}
	}
	return policy.Is(hasNamespace(ofPod, specs.UserNamespace) || hasNamespace(ofContainer, specs.UserNamespace))
}

func hasNamespace(list []*api.LinuxNamespace, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(list, func(n *api.LinuxNamespace) bool { return n.GetType() == string(kind) })
}

// findHostNamespaces is for a runtime whose pods list the node's namespaces like
// their own, by the paths where it keeps them. There the container's list tells:
// it has no network namespace in a pod with host networking; others are compared
// with the node's, where they can be seen.
func findHostNamespaces(h *host.Host, ctr *api.Container) (shared policy.Known[[]specs.LinuxNamespaceType], maybe []specs.LinuxNamespaceType) {
	have := ctr.GetLinux().GetNamespaces()
	if len(have) == 0 {
		return shared, nil
	}
	shared.OK = true
	for _, kind := range policy.PodNamespaces() {
		path, listed := namespacePath(have, kind)
		switch {
		case !listed:
			shared.Value = append(shared.Value, kind)
		case path == "" || kind == specs.NetworkNamespace:
			// It is a new one, or one of the pod's own.
		default:
			switch is := h.IsNodeNamespace(path, kind); {
			case !is.OK:
				maybe = append(maybe, kind)
			case is.Value:
				shared.Value = append(shared.Value, kind)
			}
		}
	}
	return shared, maybe
}

func namespacesOf(list []*api.LinuxNamespace) []specs.LinuxNamespace {
	var out []specs.LinuxNamespace
	for _, n := range list {
		out = append(out, specs.LinuxNamespace{Type: specs.LinuxNamespaceType(n.GetType()), Path: n.GetPath()})
	}
	return out
}

func namespacePath(list []*api.LinuxNamespace, kind specs.LinuxNamespaceType) (path string, listed bool) {
	i := slices.IndexFunc(list, func(n *api.LinuxNamespace) bool { return n.GetType() == string(kind) })
	if i < 0 {
		return "", false
	}
	return list[i].GetPath(), true
}

// nriSubject is a container as a request of the runtime describes it.
type nriSubject struct {
	plugin *Plugin
	pod    *api.PodSandbox
	ctr    *api.Container
}

func (s *nriSubject) IDMaps() (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
	return podIDMaps(s.plugin.node.Host, s.pod, s.ctr)
}

func (s *nriSubject) Seccomp(*change.Adjustment) *specs.LinuxSeccomp { return seccompOf(s.ctr) }

// Container reads what the runtime tells of the container itself.
func (s *nriSubject) Container(*policy.Host) policy.Container {
	p, pod, ctr := s.plugin, s.pod, s.ctr
	out := policy.Container{ID: ctr.GetId(), CgroupsPath: ctr.GetLinux().GetCgroupsPath()}
	if r := p.runtime.Load(); r.Name == runtimes.CRIO && !r.Has(change.TellsHostNamespaces) {
		out.HostNamespaces, out.MaybeHost = findHostNamespaces(p.node.Host, ctr)
	} else {
		out.HostNamespaces = policy.SharedNamespaces(namespacesOf(pod.GetLinux().GetNamespaces()))
	}
	out.PodSysctls = p.containers.sysctls(pod.GetId())
	if policy.Claims(ctr.GetAnnotations()) != nil {
		out.Held = p.containers.held(p.policy.Load())
	}
	if u := ctr.GetUser(); u != nil {
		out.User = policy.Is(policy.User{UID: u.GetUid(), GID: u.GetGid()})
		out.Groups = policy.Is(u.GetAdditionalGids())
	}
	out.Namespaces = namespacesOf(ctr.GetLinux().GetNamespaces())
	if p.runtime.Load().Has(change.TellsPIDNamespace) {
		out.PIDNamespace = policy.PIDNamespaceOf(out.Namespaces, namespacesOf(pod.GetLinux().GetNamespaces()))
	}
	for _, m := range ctr.GetMounts() {
		out.Mounts = append(out.Mounts, m.ToOCI(nil))
		// The runtime makes it in a directory of the sandbox's.
		if m.GetDestination() == policy.SharedMemory && slices.Contains(strings.Split(m.GetSource(), "/"), pod.GetId()) {
			out.RuntimeShm = true
		}
	}
	for _, d := range ctr.GetLinux().GetDevices() {
		out.Devices = append(out.Devices, d.ToOCI())
	}
	for _, r := range ctr.GetLinux().GetResources().GetDevices() {
		out.DeviceRules = append(out.DeviceRules, specs.LinuxDeviceCgroup{Allow: r.GetAllow(), Type: r.GetType(),
			Major: r.GetMajor().Get(), Minor: r.GetMinor().Get(), Access: r.GetAccess()})
	}
	return out
}

// seccompOf returns the container's own seccomp profile; nil for unconfined.
func seccompOf(ctr *api.Container) *specs.LinuxSeccomp {
	s := ctr.GetLinux().GetSeccompPolicy()
	if s == nil {
		return nil
	}
	out := &specs.LinuxSeccomp{
		DefaultAction:    specs.LinuxSeccompAction(s.GetDefaultAction()),
		ListenerPath:     s.GetListenerPath(),
		ListenerMetadata: s.GetListenerMetadata(),
		Syscalls:         api.ToOCILinuxSyscalls(s.GetSyscalls()),
	}
	if errno := s.GetDefaultErrno(); errno != nil {
		value := uint(errno.GetValue())
		out.DefaultErrnoRet = &value
	}
	for _, a := range s.GetArchitectures() {
		out.Architectures = append(out.Architectures, specs.Arch(a))
	}
	for _, f := range s.GetFlags() {
		out.Flags = append(out.Flags, specs.LinuxSeccompFlag(f))
	}
	return out
}
