// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// notText is sent as bytes that are not UTF-8.
const notText = "@not text@"

// lax encodes requests as older kubelets do, which do not check that a string is UTF-8.
type lax struct{}

func (lax) Name() string { return "proto" }

func (lax) Marshal(v any) ([]byte, error) {
	raw, err := proto.Marshal(v.(proto.Message))
	return bytes.ReplaceAll(raw, []byte(notText), bytes.Repeat([]byte{0xff}, len(notText))), err
}

func (lax) Unmarshal(raw []byte, v any) error { return proto.Unmarshal(raw, v.(proto.Message)) }

// A pod has an annotation that is not UTF-8, which containerd before 2.2 takes and NRI
// cannot send. It is refused; created while no agent is there it keeps the agent out, which
// log and doctor say, until containerd is restarted.
func TestAttackNotText(t *testing.T) {
	n := it.StartNode(t, node.Options{Containerd: "1.7.35"})
	g, agent := it.StartAgent(t, n, denying)
	conn, err := grpc.NewClient("unix://"+n.CRISocket(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(lax{})))
	it.Must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	cri := runtimeapi.NewRuntimeServiceClient(conn)

	var config *runtimeapi.PodSandboxConfig
	it.RunPod(t, n, node.PodConfig{Namespace: "nobody", Customize: func(c *runtimeapi.PodSandboxConfig) {
		config = proto.Clone(c).(*runtimeapi.PodSandboxConfig)
	}})
	config.Metadata.Name, config.Metadata.Uid, config.Annotations["a"] = "not-text", "not-text", notText
	if r, err := cri.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: config}); err == nil {
		t.Errorf("%s runs", r.GetPodSandboxId())
	}

	it.Kill(t, n, agent)
	config.Metadata.Attempt++
	_, err = cri.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: config})
	it.Must(t, err)
	agent = g.StartProcess(t)
	it.WaitLogged(t, agent, "or some have bytes that are not UTF-8", 1)
	it.Doctor(t, g).Expect(t, it.Said{"pod-sizes", "problem", "not UTF-8"})
	it.Must(t, n.RestartContainerd(t.Context()))
	it.WaitLogged(t, agent, "msg=synchronized", 1)
	team := it.RunPod(t, n, node.PodConfig{Namespace: "team-a"})
	if got := it.Refusal(t, team, node.ContainerConfig{}); !strings.Contains(got, `by profile "no-mknod", which`) { // the wrapper could carry it
		t.Error(got)
	}
}
