// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"

	"github.com/nodegate/nodegate/integration/node"
)

// injector is a plugin that injects what pods are annotated with, and asks nobody.
type injector struct{}

func (injector) CreateContainer(_ context.Context, pod *api.PodSandbox, _ *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	if pod.GetAnnotations()["devices.nri.io"] == "" {
		return nil, nil, nil
	}
	a := &api.ContainerAdjustment{}
	a.AddDevice(&api.LinuxDevice{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: api.FileMode(uint32(0o666))})
	return a, nil, nil
}

func startInjector(t *testing.T, n *node.Node, index string) {
	t.Helper()
	s, err := stub.New(injector{}, stub.WithPluginName("injector"), stub.WithPluginIdx(index), stub.WithSocketPath(n.NRISocket()))
	it.Must(t, err)
	it.Must(t, s.Start(t.Context()))
	t.Cleanup(s.Stop)
}

// While another tool still injects what a grant accepts, plain pods do not start, and
// in a pod with a user namespace its device is in the way of one that opens: the other
// tool is to be switched off.
func TestMigratedBesideAnInjector(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	n := it.SharedNode(t)
	annotated := node.PodConfig{Namespace: "moved", Annotations: map[string]string{"devices.nri.io": "- path: /dev/fuse"}}
	for _, index := range []string{"10", "95"} {
		t.Run(index, func(t *testing.T) {
			it.StartAgent(t, n, accepting)
			startInjector(t, n, index)
			_, err := it.RunPod(t, n, annotated).RunContainer(t.Context(), node.ContainerConfig{})
			var event *node.EventError
			if !errors.As(err, &event) || !strings.Contains(event.Message, "both tried to set Devices /dev/fuse") {
				t.Errorf("in a plain pod: %v", err)
			}
			p := it.RunPod(t, n, it.InUserNamespace(annotated))
			if index == "10" { // nodegate comes later, and sees it
				if got := it.Refusal(t, p, node.ContainerConfig{}); !strings.Contains(got, "has a device there already") {
					t.Error(got)
				}
				return
			}
			// runc makes it last, over nodegate's: nobody's, with the node's own mode.
			if f := it.Stat(t, it.RunContainer(t, p, node.ContainerConfig{}), "/dev/fuse"); f.UID != 65534 {
				t.Errorf("%+v", f)
			}
		})
	}
	it.StartAgent(t, n, accepting)
	it.Expect(t, it.Run(t, n, annotated, node.ContainerConfig{}), "open /dev/fuse rw", "ok")
}
