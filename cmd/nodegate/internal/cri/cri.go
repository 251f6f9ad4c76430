// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package cri asks the container runtime of this node about itself and about
// its containers, over the socket that the kubelet uses. It changes nothing, except for
// the copies of pods that it runs and removes.
package cri

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxMessage bounds an answer, in bytes. A verbose one holds whole OCI specs.
const maxMessage = 64 << 20

// endpoints are where a runtime usually listens: containerd's own, that of k3s and
// RKE2, those of k0s and MicroK8s, CRI-O's.
var endpoints = []string{
	"unix:///run/containerd/containerd.sock", "unix:///run/k3s/containerd/containerd.sock", "unix:///run/k0s/containerd.sock",
	"unix:///var/snap/microk8s/common/run/containerd.sock", "unix:///run/crio/crio.sock",
}

// Client is a connection to the runtime.
type Client struct {
	conn    *grpc.ClientConn
	runtime runtimeapi.RuntimeServiceClient
}

// Connect prepares a connection: the first request makes it. endpoint is
// "unix:///path", or "" for the usual ones. The error wraps fs.ErrNotExist
// where there is no socket.
func Connect(endpoint string) (*Client, error) {
	if endpoint == "" {
		var err error
		if endpoint, err = Find("/"); endpoint == "" {
			return nil, fmt.Errorf("%w: name the runtime's by --runtime-endpoint", err)
		}
	}
	path, ok := strings.CutPrefix(endpoint, "unix://")
	if !ok || !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("%q is not an endpoint: write unix:// and the absolute path of the runtime's CRI socket, such as %s", endpoint, endpoints[0])
	}
	if !exists(endpoint) {
		return nil, fmt.Errorf("there is no socket at %s: name the runtime's by --runtime-endpoint: %w", path, fs.ErrNotExist)
	}
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", endpoint, err)
	}
	return &Client{conn, runtimeapi.NewRuntimeServiceClient(conn)}, nil
}

func exists(endpoint string) bool {
	_, err := os.Stat(strings.TrimPrefix(endpoint, "unix://"))
	return !errors.Is(err, fs.ErrNotExist)
}

// Close ends the connection.
func (c *Client) Close() { _ = c.conn.Close() } // nothing was written

// Version returns the runtime's name and version, "containerd" and "v2.4.2".
func (c *Client) Version(ctx context.Context) (name, version string, err error) {
	r, err := c.runtime.Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return "", "", answered("its version", err)
	}
	return r.GetRuntimeName(), r.GetRuntimeVersion(), nil
}

// answered words an error of the runtime without gRPC's own wrapping.
func answered(what string, err error) error {
	return fmt.Errorf("asking the runtime for %s: %s", what, status.Convert(err).Message())
}

// List returns the runtime's containers, as far as a list of them tells.
func (c *Client) List(ctx context.Context) ([]Container, error) {
	r, err := c.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, answered("its containers", err)
	}
	var out []Container
	for _, ctr := range r.GetContainers() {
		labels := ctr.GetLabels() // the kubelet's
		out = append(out, Container{ID: ctr.GetId(), PodID: ctr.GetPodSandboxId(), Name: ctr.GetMetadata().GetName(),
			Namespace: labels["io.kubernetes.pod.namespace"], Pod: labels["io.kubernetes.pod.name"]})
	}
	return out, nil
}

// Container is a container as the runtime knows it.
type Container struct {
	ID, Name            string
	Namespace, Pod      string
	PodID               string
	Labels, Annotations map[string]string // the pod's
	Handler             string
	SandboxPID          uint32
	PodNamespaces       []specs.LinuxNamespace
	// Spec is the OCI spec that the runtime made, plugins' changes included; a
	// wrapper's are not in it.
	Spec json.RawMessage
}

// Container asks for one container, by its whole id.
func (c *Client) Container(ctx context.Context, id string) (*Container, error) {
	r, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if err != nil {
		return nil, answered("container "+id, err)
	}
	var info struct {
		SandboxID   string          `json:"sandboxID"`
		RuntimeSpec json.RawMessage `json:"runtimeSpec"`
	}
	if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil || len(info.RuntimeSpec) == 0 {
		return nil, fmt.Errorf("the runtime does not tell the OCI spec of container %s: explain knows containerd's answers", id)
	}
	out := &Container{ID: r.GetStatus().GetId(), Name: r.GetStatus().GetMetadata().GetName(), PodID: info.SandboxID, Spec: info.RuntimeSpec}
	return out, c.addPod(ctx, out)
}

func (c *Client) addPod(ctx context.Context, to *Container) error {
	r, err := c.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: to.PodID, Verbose: true})
	if err != nil {
		return answered("the pod of container "+to.ID, err)
	}
	var info struct {
		PID         uint32      `json:"pid"`
		RuntimeSpec *specs.Spec `json:"runtimeSpec"`
	}
	if err := json.Unmarshal([]byte(r.GetInfo()["info"]), &info); err != nil {
		return fmt.Errorf("reading what the runtime tells of pod %s: %w", to.PodID, err)
	}
	s := r.GetStatus()
	to.Namespace, to.Pod = s.GetMetadata().GetNamespace(), s.GetMetadata().GetName()
	to.Labels, to.Annotations = s.GetLabels(), s.GetAnnotations()
	to.Handler, to.SandboxPID = s.GetRuntimeHandler(), info.PID
	if to.Handler == "" && info.RuntimeSpec != nil { // CRI-O says it only there
		to.Handler = info.RuntimeSpec.Annotations["io.kubernetes.cri-o.RuntimeHandler"]
	}
	if info.RuntimeSpec != nil && info.RuntimeSpec.Linux != nil {
		to.PodNamespaces = info.RuntimeSpec.Linux.Namespaces
	}
	return nil
}
