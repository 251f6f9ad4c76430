// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
)

// Numbers of fields in NRI's api.proto, of the requests that tell of something new.
const (
	createPod       = 1 // CreateContainerRequest.pod
	createContainer = 2 // CreateContainerRequest.container
	runPod          = 1 // RunPodSandboxRequest.pod
	statePod        = 2 // StateChangeEvent.pod

	validatePod       = 1 // ValidateContainerAdjustmentRequest.pod
	validateContainer = 2 // ValidateContainerAdjustmentRequest.container
	validateAdjust    = 3 // ValidateContainerAdjustmentRequest.adjust
	adjustAnnotations = 2 // ContainerAdjustment.annotations
)

// receive reads requests as the server would, but for lists, validations, and those that
// tell of pods or containers which the agent has not seen. What is too large is refused
// before it is read: that is where the sizes are known, and it takes next to no time.
func (c *connection) receive(ctx context.Context, unmarshal ttrpc.Unmarshaler, _ *ttrpc.UnaryServerInfo, method ttrpc.Method) (any, error) {
	return method(ctx, func(v any) error {
		switch v.(type) {
		case *api.SynchronizeRequest, *api.CreateContainerRequest, *api.ValidateContainerAdjustmentRequest,
			*api.RunPodSandboxRequest, *api.StateChangeEvent:
		default:
			return unmarshal(v)
		}
		var raw emptypb.Empty // knows no field, and so keeps all as it came
		if err := unmarshal(&raw); err != nil {
			return err
		}
		return c.read(ctx, raw.ProtoReflect().GetUnknown(), v.(proto.Message))
	})
}

func (c *connection) read(ctx context.Context, raw []byte, v proto.Message) error {
	var err error
	switch req := v.(type) {
	case *api.SynchronizeRequest:
		return c.readList(raw, req)
	case *api.ValidateContainerAdjustmentRequest:
		return readValidation(raw, req)
	case *api.CreateContainerRequest:
		err = c.admitContainer(ctx, raw)
	case *api.RunPodSandboxRequest:
		err = c.admitPod(ctx, raw, runPod)
	case *api.StateChangeEvent: // NRI before 0.12 tells of a pod by that
		var event []byte
		if event, err = only(raw, func(num protowire.Number) bool { return num == 1 }); err == nil {
			var what api.StateChangeEvent
			if err = proto.Unmarshal(event, &what); err == nil && what.Event == api.Event_RUN_POD_SANDBOX {
				err = c.admitPod(ctx, raw, statePod)
			}
		}
	}
	if err != nil {
		return err
	}
	return proto.Unmarshal(raw, v)
}

// readValidation reads whose container it is, and the annotations of the replies. The rest,
// with the seccomp profile twice, is most of the message, and is not looked at.
func readValidation(raw []byte, req *api.ValidateContainerAdjustmentRequest) error {
	return eachField(raw, func(num protowire.Number, _, value []byte) (err error) {
		switch num {
		case validatePod:
			req.Pod = &api.PodSandbox{}
			err = proto.Unmarshal(value, req.Pod)
		case validateContainer:
			req.Container, err = readContainer(value)
		case validateAdjust:
			req.Adjust = &api.ContainerAdjustment{}
			if value, err = only(value, func(num protowire.Number) bool { return num == adjustAnnotations }); err == nil {
				err = proto.Unmarshal(value, req.Adjust)
			}
		}
		return err
	})
}

// admitPod refuses a pod that is too large.
func (c *connection) admitPod(ctx context.Context, raw []byte, field protowire.Number) error {
	c.busy.RLock()
	defer c.busy.RUnlock()
	pod, bytes, err := named[api.PodSandbox](raw, field)
	if err != nil {
		return err
	}
	req := requestOf(pod, nil)
	name := nameOf(pod)
	refused := largePod(name, bytes, c.sizes.addPod(pod.GetId(), name, bytes))
	if refused == nil {
		return nil
	}
	return c.refuseLarge(ctx, &work{request: req, podID: pod.GetId()}, refused, func() { c.sizes.removePod(pod.GetId()) })
}

// admitContainer refuses a container that is too large, or whose pod is.
func (c *connection) admitContainer(ctx context.Context, raw []byte) error {
	c.busy.RLock()
	defer c.busy.RUnlock()
	pod, podBytes, err := named[api.PodSandbox](raw, createPod)
	if err != nil {
		return err
	}
	ctr, bytes, err := named[api.Container](raw, createContainer)
	if err != nil {
		return err
	}
	req := requestOf(pod, ctr)
	name := nameOf(pod)
	c.sizes.addPod(pod.GetId(), name, podBytes)
	whole, total := c.sizes.addContainer(pod.GetId(), ctr.GetName(), bytes)
	refused := largePod(name, podBytes, 0)
	if refused == nil {
		refused = largeContainer(&req, bytes, whole, total)
	}
	if refused == nil {
		return nil
	}
	return c.refuseLarge(ctx, &work{request: req, podID: pod.GetId(), containerID: ctr.GetId()}, refused,
		func() { c.sizes.removeContainer(pod.GetId(), ctr.GetName()) })
}

// refuseLarge tells of a refusal. In audit mode that is all: what is created then is on
// the node, and counts.
func (c *connection) refuseLarge(ctx context.Context, w *work, refused *policy.Refusal, forget func()) error {
	pol := c.policy.Load()
	c.report(ctx, pol, w, refused)
	if pol.Audit() {
		return nil
	}
	forget()
	return refused
}

func nameOf(pod *api.PodSandbox) string {
	return event.Shorten(pod.GetNamespace(), event.MaxName) + "/" + event.Shorten(pod.GetName(), event.MaxName)
}

// named reads who a pod or a container of a request is, and how large.
func named[T any, M interface {
	*T
	proto.Message
}](raw []byte, field protowire.Number) (M, int, error) {
	var value []byte
	out := M(new(T))
	bytes := 0
	err := eachField(raw, func(num protowire.Number, _, v []byte) error {
		if num != field {
			return nil
		}
		bytes += sizeOf(v)
		names, err := only(v, func(num protowire.Number) bool { return isName(out, num) })
		value = append(value, names...)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return out, bytes, proto.Unmarshal(value, out)
}

// sizeOf is what an encoded pod or container counts for: see sizes.go. Both have their
// labels and annotations at the same numbers.
func sizeOf(raw []byte) int {
	bytes := len(raw)
	_ = eachField(raw, func(num protowire.Number, _, _ []byte) error { // its reader says what is malformed
		if num == podLabels || num == podAnnotations {
			bytes += entryBytes
		}
		return nil
	})
	return bytes
}

// isName reports whether a field of a pod or a container says who it is.
func isName(m proto.Message, num protowire.Number) bool {
	if _, ok := m.(*api.Container); ok {
		return num == containerID || num == containerPodID || num == containerName
	}
	return num == podID || num == podName || num == podNamespace || num == podHandler
}

// only returns a message without the fields that are not wanted.
func only(raw []byte, wanted func(protowire.Number) bool) ([]byte, error) {
	var out []byte
	err := eachField(raw, func(num protowire.Number, field, _ []byte) error {
		if wanted(num) {
			out = append(out, field...)
		}
		return nil
	})
	return out, err
}

// eachField calls do with each field of a message: its number, all of it, and what
// it holds, nil if that is not a string, bytes or message.
func eachField(raw []byte, do func(num protowire.Number, field, value []byte) error) error {
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeField(raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		var value []byte
		if typ == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(raw)
			value, _ = protowire.ConsumeBytes(raw[tag:n])
		}
		if err := do(num, raw[:n], value); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}
