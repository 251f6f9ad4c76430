// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	kubelet "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

// smallKubelet does with device plugins what the kubelet's device manager does, its way of
// letting go of them included: when any stream of a resource ends, it drops the endpoint
// that it has for the resource by then.
type smallKubelet struct {
	kubelet.UnimplementedRegistrationServer
	podresources.UnimplementedPodResourcesListerServer
	t    *testing.T
	dir  string
	grpc *grpc.Server

	mu        sync.Mutex
	busy      time.Duration            // before it heeds the end of a stream
	clients   map[string]*pluginClient // by resource
	devices   map[string][]*kubelet.Device
	drops     int
	endpoints []string // in the order of registration
	pods      map[string]*podresources.PodResources
}

type pluginClient struct {
	kubelet.DevicePluginClient
	conn    *grpc.ClientConn
	options *kubelet.DevicePluginOptions
}

// startKubelet removes what sockets there are and listens, as one that starts does.
func startKubelet(t *testing.T, dir string) *smallKubelet {
	t.Helper()
	old, _ := filepath.Glob(dir + "/*.sock")
	for _, name := range old {
		os.Remove(name)
	}
	k := &smallKubelet{t: t, dir: dir, grpc: grpc.NewServer(), clients: map[string]*pluginClient{}, devices: map[string][]*kubelet.Device{}}
	l, err := net.Listen("unix", filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	kubelet.RegisterRegistrationServer(k.grpc, k)
	go k.grpc.Serve(l)
	t.Cleanup(k.stop)
	return k
}

func (k *smallKubelet) stop() {
	k.grpc.Stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.clients {
		c.conn.Close()
	}
	k.clients = map[string]*pluginClient{}
}

func (k *smallKubelet) Register(ctx context.Context, r *kubelet.RegisterRequest) (*kubelet.Empty, error) {
	conn, err := dial(filepath.Join(k.dir, r.GetEndpoint()))
	if err != nil {
		return nil, err
	}
	c := &pluginClient{DevicePluginClient: kubelet.NewDevicePluginClient(conn), conn: conn}
	k.mu.Lock()
	k.clients[r.GetResourceName()] = c
	k.endpoints = append(k.endpoints, r.GetEndpoint())
	k.mu.Unlock()
	if c.options, err = c.GetDevicePluginOptions(ctx, &kubelet.Empty{}); err != nil {
		return nil, err
	}
	go k.watch(r.GetResourceName(), c)
	return &kubelet.Empty{}, nil
}

func (k *smallKubelet) watch(resource string, c *pluginClient) {
	stream, err := c.ListAndWatch(context.Background(), &kubelet.Empty{})
	for err == nil {
		var r *kubelet.ListAndWatchResponse
		if r, err = stream.Recv(); err == nil {
			k.mu.Lock()
			k.devices[resource] = r.GetDevices()
			k.mu.Unlock()
		}
	}
	k.mu.Lock()
	busy := k.busy
	k.mu.Unlock()
	time.Sleep(busy)
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.clients[resource]; now != nil {
		now.conn.Close()
		delete(k.clients, resource)
		k.drops++
	}
}

// client is the endpoint that the kubelet asks, or nil.
func (k *smallKubelet) client(resource string) *pluginClient {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clients[resource]
}

// known are the devices of a resource, healthy or not.
func (k *smallKubelet) known(resource string) []*kubelet.Device {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.devices[resource]
}

// allocatable counts the healthy devices of a resource that the kubelet can ask for.
func (k *smallKubelet) allocatable(resource string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.clients[resource] == nil {
		return 0
	}
	return healthy(k.devices[resource])
}

// eventually waits for a number of devices, and returns how long that took.
func (k *smallKubelet) eventually(resource string, want int, limit time.Duration) time.Duration {
	k.t.Helper()
	began := time.Now()
	for k.allocatable(resource) != want {
		if time.Since(began) > limit {
			k.t.Fatalf("%s: %d devices after %v, want %d", resource, k.allocatable(resource), limit, want)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// servePodResources answers who has which devices.
func (k *smallKubelet) servePodResources(pods map[string]*podresources.PodResources) {
	k.t.Helper()
	k.pods = pods
	dir := filepath.Join(filepath.Dir(k.dir), "pod-resources")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		k.t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		k.t.Fatal(err)
	}
	s := grpc.NewServer()
	podresources.RegisterPodResourcesListerServer(s, k)
	go s.Serve(l)
	k.t.Cleanup(s.Stop)
}

func (k *smallKubelet) Get(_ context.Context, r *podresources.GetPodResourcesRequest) (*podresources.GetPodResourcesResponse, error) {
	pod := k.pods[r.GetPodNamespace()+"/"+r.GetPodName()]
	if pod == nil {
		return nil, fmt.Errorf("pod %s in namespace %s not found", r.GetPodName(), r.GetPodNamespace())
	}
	return &podresources.GetPodResourcesResponse{PodResources: pod}, nil
}
