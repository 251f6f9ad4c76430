// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"
	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/record"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// BenchmarkCreateContainer is the agent's own part of a container's creation,
// without the way to the runtime and back.
func BenchmarkCreateContainer(b *testing.B) {
	c, err := config.Parse("bench.toml", []byte("version = 1\n[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"ping\", \"fuse\", \"no-mknod\"]\n"))
	if err != nil {
		b.Fatal(err)
	}
	h, err := host.New("/", c.State.ShadowDir)
	if err != nil {
		b.Fatal(err)
	}
	records, err := record.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	p := New(c.Policy, Node{Host: h, Records: records})
	info := runtimes.Of(runtimes.Containerd, "v2.4.2", "v0.12.3")
	p.runtime.Store(&info)
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	ctx := log.WithLogger(context.Background(), logrus.NewEntry(logger))

	spaces := []*api.LinuxNamespace{{Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "pid"}}
	profile := seccomp.DefaultProfile(&rspec.Spec{Process: &rspec.Process{Capabilities: &rspec.LinuxCapabilities{}}})
	for _, request := range []string{"", "ping", "fuse", "no-mknod"} {
		b.Run("request="+request, func(b *testing.B) {
			pod := &api.PodSandbox{Id: "pod", Name: "p", Namespace: "ci", Pid: uint32(os.Getpid()), Linux: &api.LinuxPodSandbox{Namespaces: spaces}}
			if request != "" {
				pod.Annotations = map[string]string{"profiles.nodegate.dev": request}
			}
			ctr := &api.Container{Name: "main", Linux: &api.LinuxContainer{Namespaces: spaces, SeccompPolicy: api.FromOCILinuxSeccomp(profile)}}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ctr.Id = fmt.Sprintf("c%d", i)
				if _, _, err := p.CreateContainer(ctx, pod, ctr); err != nil {
					b.Fatal(err)
				}
				p.containers.remove(ctr.Id) // pods have a few, not thousands
			}
		})
	}
}
