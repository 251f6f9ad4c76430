// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/containerd/nri/pkg/api"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
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
		c := &api.Container{Id: fmt.Sprint("c", i), PodSandboxId: "p", Name: fmt.Sprint("main", i), Env: []string{"A=b"}, Linux: &api.LinuxContainer{
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

// needed is what is read of a list: what requestOf and Synchronize look at.
func needed(req *api.SynchronizeRequest, reads func(string) bool) *api.SynchronizeRequest {
	kept := func(m map[string]string, wanted func(string) bool) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			if wanted(k) {
				out[k] = v
			}
		}
		return out
	}
	out := &api.SynchronizeRequest{More: req.More}
	for _, p := range req.Pods {
		q := &api.PodSandbox{Id: p.Id, Name: p.Name, Namespace: p.Namespace, RuntimeHandler: p.RuntimeHandler,
			Labels: kept(p.Labels, reads), Annotations: kept(p.Annotations, policy.MayAsk)}
		if p.Linux != nil {
			q.Linux = &api.LinuxPodSandbox{Namespaces: p.Linux.Namespaces}
		}
		out.Pods = append(out.Pods, q)
	}
	for _, c := range req.Containers {
		d := &api.Container{Id: c.Id, PodSandboxId: c.PodSandboxId, Name: c.Name,
			Annotations: kept(c.Annotations, func(key string) bool { return key == record.Annotation })}
		if c.Linux != nil {
			d.Linux = &api.LinuxContainer{Namespaces: c.Linux.Namespaces}
		}
		out.Containers = append(out.Containers, d)
	}
	return out
}

// readsTier is a connection whose policy looks at one label.
func readsTier(t testing.TB) *connection {
	t.Helper()
	c, err := config.Parse("test.toml", []byte("version = 1\n[[grants]]\nnamespaces = [\"ci\"]\npods = \"tier=a\"\nprofiles = [\"ping\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return &connection{Plugin: New(c.Policy, Node{})}
}

func TestReadList(t *testing.T) {
	want := syncRequest(40, 360)
	want.Pods[0].Labels["tier"] = "a"
	want.Pods[0].Annotations = map[string]string{"profiles.nodegate.dev": "ping", "example.com/other": "x"}
	want.Pods[0].Linux = &api.LinuxPodSandbox{CgroupParent: "/x", Namespaces: testNamespaces()}
	want.Containers[0].Annotations = map[string]string{record.Annotation: "n", "example.com/other": "x"}
	raw, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	c, got := readsTier(t), &api.SynchronizeRequest{}
	_, err = c.receive(t.Context(), func(v any) error { return proto.Unmarshal(raw, v.(proto.Message)) }, nil,
		func(_ context.Context, unmarshal func(any) error) (any, error) { return nil, unmarshal(got) })
	if err != nil || !proto.Equal(got, needed(want, c.policy.Load().ReadsLabel)) {
		t.Fatalf("reads %v: %v", got, err)
	}
	if got, least := c.listed.total, len(raw)-len(want.Containers)*8; got < least || got > len(raw)+8*entryBytes {
		t.Errorf("counts %d bytes of %d", got, len(raw))
	}
}

// FuzzReadList holds that of any bytes that read as a list the same is read without it.
func FuzzReadList(f *testing.F) {
	for _, n := range []int{0, 1, 4} {
		raw, err := proto.Marshal(syncRequest(n, 2))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	// A container whose linux is there twice, and one whose linux is empty.
	linux := protowire.AppendBytes(protowire.AppendTag(nil, containerLinux, protowire.BytesType), []byte{10, 3, 10, 1, 'a'})
	for _, container := range [][]byte{append(linux, linux...), protowire.AppendBytes(protowire.AppendTag(nil, containerLinux, protowire.BytesType), nil)} {
		f.Add(protowire.AppendBytes(protowire.AppendTag(nil, listContainers, protowire.BytesType), container))
	}
	c := readsTier(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, plain := &api.SynchronizeRequest{}, &api.SynchronizeRequest{}
		err := c.readList(raw, got)
		if (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, plain) != nil {
			return // it may have wrong what is not read
		}
		want := needed(plain, c.policy.Load().ReadsLabel)
		if err != nil || !proto.Equal(got, want) {
			t.Fatalf("got %v, want %v: %v", got, want, err)
		}
	})
}

// Of a validation is read whose container it is, and whose answer has arrived.
func TestReadValidation(t *testing.T) {
	pod := &api.PodSandbox{Id: "p", Name: "pod", Namespace: "ci", RuntimeHandler: "h", Labels: map[string]string{"tier": "b"},
		Annotations: map[string]string{policy.AnnotationBare: "fuse"},
		Linux:       &api.LinuxPodSandbox{Namespaces: []*api.LinuxNamespace{{Type: "user"}}}}
	ctr := syncRequest(1, 10).Containers[0]
	ctr.Linux.Namespaces = []*api.LinuxNamespace{{Type: "user", Path: "/proc/7/ns/user"}}
	ctr.Annotations = map[string]string{policy.AnnotationResource + "kvm": "0"}
	whole := &api.ValidateContainerAdjustmentRequest{Pod: pod, Container: ctr, Owners: &api.OwningPlugins{}, Adjust: &api.ContainerAdjustment{
		Annotations: map[string]string{record.Annotation: "n"}, Env: []*api.KeyValue{{Key: "a"}},
		Linux: &api.LinuxContainerAdjustment{SeccompPolicy: ctr.Linux.SeccompPolicy}}}
	raw, err := proto.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	var read api.ValidateContainerAdjustmentRequest
	if err := readsTier(t).read(t.Context(), raw, &read); err != nil {
		t.Fatal(err)
	}
	if got, want := requestOf(read.Pod, read.Container), requestOf(pod, ctr); !reflect.DeepEqual(got, want) {
		t.Errorf("the request is %+v, want %+v", got, want)
	}
	if read.Container.Id != ctr.Id || read.Adjust.Annotations[record.Annotation] != "n" || read.Container.Linux.SeccompPolicy != nil || read.Adjust.Linux != nil {
		t.Errorf("read %v", &read)
	}
	if err := readsTier(t).read(t.Context(), raw[:len(raw)-1], &read); err == nil {
		t.Error("a message that is cut off is read")
	}
}

// BenchmarkReadList is what a registration among a thousand containers costs the agent,
// without and with.
func BenchmarkReadList(b *testing.B) {
	raw, err := proto.Marshal(syncRequest(1000, 360))
	if err != nil {
		b.Fatal(err)
	}
	c := readsTier(b)
	for name, read := range map[string]func([]byte, *api.SynchronizeRequest) error{
		"plain": func(raw []byte, req *api.SynchronizeRequest) error { return proto.Unmarshal(raw, req) }, "needed": c.readList,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(raw, &api.SynchronizeRequest{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
