// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"

	"github.com/containerd/nri/pkg/api"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// The runtime tells a plugin that registers of every pod and container, within one limit
// of time (2 s by default). Most of what it sends is of no use here: seccomp profiles,
// environments, mounts, labels that no grant asks for. It is not read, which takes a
// fraction of the time and of the memory.

// Numbers of fields in NRI's api.proto.
const (
	listPods       protowire.Number = 1 // SynchronizeRequest
	listContainers protowire.Number = 2
	listMore       protowire.Number = 3

	podID              protowire.Number = 1 // PodSandbox
	podName            protowire.Number = 2
	podNamespace       protowire.Number = 4
	podLabels          protowire.Number = 5
	podAnnotations     protowire.Number = 6
	podHandler         protowire.Number = 7
	podLinux           protowire.Number = 8
	podLinuxNamespaces protowire.Number = 5 // LinuxPodSandbox

	containerID          protowire.Number = 1 // Container
	containerPodID       protowire.Number = 2
	containerName        protowire.Number = 3
	containerAnnotations protowire.Number = 6
	containerLinux       protowire.Number = 11
	containerNamespaces  protowire.Number = 1 // LinuxContainer

	mapKey protowire.Number = 1 // an entry of a map
)

// readList reads a part of the list, and notes how large all of it is.
func (c *connection) readList(raw []byte, req *api.SynchronizeRequest) error {
	reads := c.policy.Load().ReadsLabel
	return eachField(raw, func(num protowire.Number, field, value []byte) error {
		switch {
		case num == listMore:
			return proto.UnmarshalOptions{Merge: true, DiscardUnknown: true}.Unmarshal(field, req)
		case value == nil: // no message
		case num == listPods:
			pod, err := readPod(value, reads)
			req.Pods = append(req.Pods, pod)
			c.listed.addPod(pod.GetId(), nameOf(pod), sizeOf(value))
			return err
		case num == listContainers:
			ctr, err := readContainer(value)
			req.Containers = append(req.Containers, ctr)
			c.listed.addContainer(ctr.GetPodSandboxId(), ctr.GetName(), sizeOf(value))
			return err
		}
		return nil
	})
}

// readPod reads what a request needs of a pod: see requestOf.
func readPod(raw []byte, reads func(label string) bool) (*api.PodSandbox, error) {
	kept, err := keep(raw, func(num protowire.Number, value []byte) (part, error) {
		switch num {
		case podID, podName, podNamespace, podHandler:
			return all, nil
		case podLabels:
			return entry(value, reads)
		case podAnnotations:
			return entry(value, policy.MayAsk)
		case podLinux:
			return part{of: podLinuxNamespaces}, nil
		}
		return nothing, nil
	})
	pod := &api.PodSandbox{}
	if err == nil {
		err = proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(kept, pod)
	}
	return pod, err
}

// readContainer reads what a request needs of a container, and the nonce of its record.
func readContainer(raw []byte) (*api.Container, error) {
	kept, err := keep(raw, func(num protowire.Number, value []byte) (part, error) {
		switch num {
		case containerID, containerPodID, containerName:
			return all, nil
		case containerAnnotations:
			return entry(value, func(key string) bool {
				return key == record.Annotation || strings.HasPrefix(key, policy.AnnotationResource)
			})
		case containerLinux:
			return part{of: containerNamespaces}, nil
		}
		return nothing, nil
	})
	ctr := &api.Container{}
	if err == nil {
		err = proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(kept, ctr)
	}
	return ctr, err
}

// part is what is kept of a field: all, nothing, or one field of the message that it is.
type part struct {
	all bool
	of  protowire.Number
}

var (
	all     = part{all: true}
	nothing = part{}
)

// entry keeps an entry of a map by its key.
func entry(raw []byte, wanted func(key string) bool) (part, error) {
	key := ""
	err := eachField(raw, func(num protowire.Number, _, value []byte) error {
		if num == mapKey {
			key = string(value)
		}
		return nil
	})
	return part{all: wanted(key)}, err
}

// keep returns a message with what is wanted of its fields.
func keep(raw []byte, wanted func(num protowire.Number, value []byte) (part, error)) ([]byte, error) {
	var out []byte
	err := eachField(raw, func(num protowire.Number, field, value []byte) error {
		if value == nil {
			return nil // it is no message, and no string
		}
		want, err := wanted(num, value)
		switch {
		case err != nil:
			return err
		case want.all:
			out = append(out, field...)
		case want.of != 0:
			inner, err := only(value, func(num protowire.Number) bool { return num == want.of })
			if err != nil {
				return err
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, num, protowire.BytesType), inner)
		}
		return nil
	})
	return out, err
}
