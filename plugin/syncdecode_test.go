// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"testing"

	"github.com/containerd/nri/pkg/api"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// syncRequest lists containers, every tenth with a seccomp profile of its own and
// every other tenth with none; each profile names so many system calls.
func syncRequest(containers, calls int) *api.SynchronizeRequest {
	req := &api.SynchronizeRequest{More: true, Pods: []*api.PodSandbox{{Id: "p", Name: "pod", Labels: map[string]string{"a": "b"}}}}
	for i := range containers {
		policy := &api.LinuxSeccomp{DefaultAction: "SCMP_ACT_ERRNO", Architectures: []string{"SCMP_ARCH_X86_64"}}
		for call := range calls {
			policy.Syscalls = append(policy.Syscalls, &api.LinuxSyscall{Names: []string{fmt.Sprintf("call%d", call)}, Action: "SCMP_ACT_ALLOW"})
		}
		c := &api.Container{Id: fmt.Sprint("c", i), PodSandboxId: "p", Name: "main", Env: []string{"A=b"}, Linux: &api.LinuxContainer{
			SeccompPolicy: policy, CgroupsPath: "/kubepods/x", Sysctl: map[string]string{"net.core.somaxconn": "1"}}}
		switch i % 10 {
		case 1:
			policy.DefaultAction = fmt.Sprint(i)
		case 2:
			c.Linux.SeccompPolicy = nil
		case 3:
			c.Linux = nil
		}
		req.Containers = append(req.Containers, c)
	}
	return req
}

func TestDecodeSynchronize(t *testing.T) {
	want := syncRequest(40, 360)
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &api.SynchronizeRequest{}
	_, err = shareSeccomp(t.Context(), func(v any) error { return proto.Unmarshal(raw, v.(proto.Message)) }, nil,
		func(_ context.Context, unmarshal func(any) error) (any, error) { return nil, unmarshal(got) })
	if err != nil || !proto.Equal(got, want) {
		t.Fatalf("reads otherwise: %v", err)
	}
	if got.Containers[0].Linux.SeccompPolicy != got.Containers[39].Linux.SeccompPolicy {
		t.Error("equal profiles are read twice")
	}
}

// FuzzDecodeSynchronize holds that any bytes read as they would without it.
func FuzzDecodeSynchronize(f *testing.F) {
	for _, n := range []int{0, 1, 4} {
		raw, err := proto.Marshal(syncRequest(n, 2))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	// A container whose linux, and one whose seccomp_policy, is there twice.
	seccomp := protowire.AppendBytes(protowire.AppendTag(nil, linuxSeccomp, protowire.BytesType), []byte{10, 1, 'a'})
	linux := func(inner []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, containerLinux, protowire.BytesType), inner)
	}
	for _, container := range [][]byte{append(linux(seccomp), linux(seccomp)...), linux(append(seccomp, seccomp...)), linux(nil)} {
		f.Add(protowire.AppendBytes(protowire.AppendTag(nil, syncContainers, protowire.BytesType), container))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, want := &api.SynchronizeRequest{}, &api.SynchronizeRequest{}
		err, wanted := decodeSynchronize(raw, got), proto.Unmarshal(raw, want)
		if (err == nil) != (wanted == nil) {
			t.Fatalf("got %v, want %v", err, wanted)
		}
		if err == nil && !proto.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// BenchmarkDecodeSynchronize is what a registration among a thousand containers costs
// the agent, without and with.
func BenchmarkDecodeSynchronize(b *testing.B) {
	raw, err := proto.Marshal(syncRequest(1000, 360))
	if err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func([]byte, *api.SynchronizeRequest) error{
		"plain": func(raw []byte, req *api.SynchronizeRequest) error { return proto.Unmarshal(raw, req) }, "shared": decodeSynchronize,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(raw, &api.SynchronizeRequest{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
