// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"os"
	"time"

	"github.com/containerd/log"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"

	"github.com/nodegate/nodegate/plugin/policy"
)

// askLimit bounds the question, which is part of a request of the runtime.
const askLimit = 500 * time.Millisecond

// Container is one that claims units.
type Container struct{ Namespace, Pod, Name string }

// ask asks the kubelet whether it has allotted the units to this very container. It is
// unknown where the kubelet does not say: its socket is not seen, or it is older than
// Kubernetes 1.36.
func (s *Server) ask(ctx context.Context, c Container, profile string, units []string) (unknown policy.Known[bool]) {
	if _, err := os.Lstat(s.podResources); err != nil {
		return unknown
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	conn, err := dial(s.podResources)
	if err != nil {
		return unknown
	}
	defer func() { _ = conn.Close() }()
	r, err := podresources.NewPodResourcesListerClient(conn).Get(ctx, &podresources.GetPodResourcesRequest{PodName: c.Pod, PodNamespace: c.Namespace})
	if err != nil {
		return unknown
	}
	for _, have := range r.GetPodResources().GetContainers() {
		if have.GetName() != c.Name {
			continue
		}
		var ids []string
		for _, d := range have.GetDevices() {
			if d.GetResourceName() == policy.ResourceDomain+profile {
				ids = append(ids, d.GetDeviceIds()...)
			}
		}
		return policy.Is(len(ids) > 0 && policy.UnitsText(ids) == policy.UnitsText(units))
	}
	return unknown // the kubelet leaves out init containers that end
}

// Allotted reports whether the kubelet allotted the units of a profile, and no others, to
// the container that is about to be created. The kubelet's word is taken by that.
func (s *Server) Allotted(ctx context.Context, c Container, profile string, units []string) bool {
	armed := s.allotted.take(profile, units)
	said := s.ask(ctx, c, profile, units)
	log.G(ctx).WithFields(log.Fields{"namespace": c.Namespace, "pod": c.Pod, "container": c.Name, "profile": profile,
		"pre_start": armed, "pod_resources": said.OK && said.Value, "asked": said.OK}).Debug("what the kubelet says of units")
	if said.OK {
		return said.Value
	}
	return armed
}
