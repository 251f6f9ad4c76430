// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ErrNotText is that a label or an annotation is not UTF-8: containerd before 2.2 takes it.
var ErrNotText = errors.New("the runtime's list of pods is not UTF-8")

// PodSize is how much the runtime has to tell a plugin of a pod, in bytes and nearly.
type PodSize struct {
	Name  string // with its namespace
	Own   int    // of its labels and annotations
	Whole int    // with its containers that have not ended
}

// Sizes returns the pods, largest first: all that the runtime lists, also those that have
// ended. It asks for each container by itself, so all is false where ctx ends before that.
func (c *Client) Sizes(ctx context.Context) (pods []PodSize, all bool, err error) {
	list, err := c.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	switch {
	case err != nil && strings.Contains(err.Error(), "invalid UTF-8"): // in the words of both ends' protobuf
		return nil, false, ErrNotText
	case err != nil:
		return nil, false, answered("its pods", err)
	}
	byID := map[string]*PodSize{}
	for _, p := range list.GetItems() {
		size := &PodSize{Name: p.GetMetadata().GetNamespace() + "/" + p.GetMetadata().GetName()}
		for _, m := range []map[string]string{p.GetLabels(), p.GetAnnotations()} {
			for k, v := range m {
				size.Own += len(k) + len(v) + 72 // what an entry counts for, and its encoding
			}
		}
		size.Whole = size.Own
		byID[p.GetId()] = size
	}
	ctrs, err := c.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, false, answered("its containers", err)
	}
	all = true
	for _, ctr := range ctrs.GetContainers() {
		pod := byID[ctr.GetPodSandboxId()]
		if pod == nil || ctr.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED {
			continue
		}
		r, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: ctr.GetId(), Verbose: true})
		if err != nil {
			all = all && ctx.Err() == nil // else it has ended meanwhile
			continue
		}
		pod.Whole += specSize(r.GetInfo()["info"])
	}
	for _, p := range byID {
		pods = append(pods, *p)
	}
	slices.SortFunc(pods, func(a, b PodSize) int { return cmp.Or(cmp.Compare(b.Whole, a.Whole), cmp.Compare(a.Name, b.Name)) })
	return pods, all, nil
}

// specSize is the size of what a container's author can make large.
func specSize(info string) (bytes int) {
	var verbose struct {
		RuntimeSpec specs.Spec `json:"runtimeSpec"`
	}
	if json.Unmarshal([]byte(info), &verbose) != nil || verbose.RuntimeSpec.Process == nil {
		return 0 // another runtime, or a container that is gone
	}
	for _, list := range [][]string{verbose.RuntimeSpec.Process.Env, verbose.RuntimeSpec.Process.Args} {
		for _, s := range list {
			bytes += len(s) + 4
		}
	}
	for k, v := range verbose.RuntimeSpec.Annotations {
		bytes += len(k) + len(v) + 72
	}
	for _, m := range verbose.RuntimeSpec.Mounts {
		bytes += len(m.Source) + len(m.Destination) + 100
	}
	return bytes
}
