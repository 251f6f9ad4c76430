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
)

// The runtime tells a plugin that registers of every container, within one limit
// of time (2 s by default), and most of what it sends is one seccomp profile,
// written out anew for each. Read once, it takes a fraction of the time and of the
// memory.

// Numbers of fields in NRI's api.proto.
const (
	syncContainers = 2  // SynchronizeRequest.containers
	containerLinux = 11 // Container.linux
	linuxSeccomp   = 8  // LinuxContainer.seccomp_policy
)

// shareSeccomp reads requests as the server would, but for the one that lists
// containers: there, equal seccomp profiles are one value, not to be changed.
func shareSeccomp(ctx context.Context, unmarshal ttrpc.Unmarshaler, _ *ttrpc.UnaryServerInfo, method ttrpc.Method) (any, error) {
	return method(ctx, func(v any) error {
		req, ok := v.(*api.SynchronizeRequest)
		if !ok {
			return unmarshal(v)
		}
		var raw emptypb.Empty // knows no field, and so keeps all as it came
		if err := unmarshal(&raw); err != nil {
			return err
		}
		return decodeSynchronize(raw.ProtoReflect().GetUnknown(), req)
	})
}

func decodeSynchronize(raw []byte, req *api.SynchronizeRequest) error {
	var rest []byte
	policies := map[string]*api.LinuxSeccomp{}
	err := eachField(raw, func(num protowire.Number, field, value []byte) error {
		if num != syncContainers || value == nil {
			rest = append(rest, field...)
			return nil
		}
		c, err := decodeContainer(value, policies)
		req.Containers = append(req.Containers, c)
		return err
	})
	if err != nil {
		return err
	}
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(rest, req)
}

// decodeContainer looks up the seccomp profile by its encoding.
func decodeContainer(raw []byte, policies map[string]*api.LinuxSeccomp) (*api.Container, error) {
	c := &api.Container{}
	rest, linux, err := cut(raw, containerLinux)
	if err != nil || linux == nil {
		return c, proto.Unmarshal(raw, c)
	}
	linux, seccomp, err := cut(linux, linuxSeccomp)
	if err != nil || seccomp == nil {
		return c, proto.Unmarshal(raw, c)
	}
	c.Linux = &api.LinuxContainer{}
	if err := proto.Unmarshal(linux, c.Linux); err != nil {
		return nil, err
	}
	policy := policies[string(seccomp)]
	if policy == nil {
		policy = &api.LinuxSeccomp{}
		if err := proto.Unmarshal(seccomp, policy); err != nil {
			return nil, err
		}
		policies[string(seccomp)] = policy
	}
	c.Linux.SeccompPolicy = policy
	return c, proto.UnmarshalOptions{Merge: true}.Unmarshal(rest, c)
}

// cut takes one message out of another that holds it. It returns nil for one that is
// not there, and where it is there twice: such are to be merged.
func cut(raw []byte, want protowire.Number) (rest, value []byte, err error) {
	twice := false
	err = eachField(raw, func(num protowire.Number, field, v []byte) error {
		if num != want || v == nil {
			rest = append(rest, field...)
			return nil
		}
		twice = twice || value != nil
		value = v
		return nil
	})
	if twice {
		return nil, nil, err
	}
	return rest, value, err
}

// eachField calls do with each field of a message: its number, all of it, and what
// it holds, nil if that is no string, bytes or message.
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
