// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kubelet "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"

	"github.com/nodegate/nodegate/plugin/policy"
)

// socketPrefix begins the names of the agent's sockets. What follows is random: two agents
// of a rolling update have sockets of their own.
const socketPrefix = "nodegate-"

// registerLimit bounds one registration, within which the kubelet connects and asks.
const registerLimit = 3 * time.Second

// endpoint answers the kubelet for one profile.
type endpoint struct {
	kubelet.UnimplementedDevicePluginServer
	server  *Server
	profile string
	socket  string
	grpc    *grpc.Server
	closing chan struct{}

	mu         sync.Mutex
	devices    []*kubelet.Device
	changed    chan struct{} // closed when devices are replaced
	watchers   int           // the kubelet's streams
	registered time.Time     // with the kubelet that listens now; zero for not
}

// listen opens an endpoint, with a socket of its own.
func (s *Server) listen(o *Offer) (*endpoint, error) {
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	e := &endpoint{server: s, profile: o.Profile, socket: filepath.Join(s.dir, socketPrefix+hex.EncodeToString(random[:])+".sock"),
		grpc: newServer(), closing: make(chan struct{}), changed: make(chan struct{}), devices: o.devices(nil)}
	l, err := net.Listen("unix", e.socket)
	if err != nil {
		return nil, fmt.Errorf("listening for the kubelet: %w", err)
	}
	if err := os.Chmod(e.socket, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	kubelet.RegisterDevicePluginServer(e.grpc, e)
	go func() { _ = e.grpc.Serve(l) }() // until it is stopped
	return e, nil
}

// bufferSize is enough for what the kubelet says and hears; gRPC takes 32 KiB twice for each
// connection, and there is one for each resource.
const bufferSize = 4 << 10

func newServer() *grpc.Server {
	return grpc.NewServer(grpc.ReadBufferSize(bufferSize), grpc.WriteBufferSize(bufferSize))
}

// close ends the kubelet's streams and removes the socket.
func (e *endpoint) close() {
	close(e.closing)
	e.grpc.Stop()
}

// there reports whether the socket can still be found: a kubelet that starts removes all.
func (e *endpoint) there() bool {
	_, err := os.Lstat(e.socket)
	return err == nil
}

// set replaces what is offered, and tells the kubelet.
func (e *endpoint) set(o *Offer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.is(e.devices) { // twice a second for each slot, so nothing is made for that
		return
	}
	devices := o.devices(e.devices)
	if sameDevices(devices, e.devices) {
		return
	}
	e.devices = devices
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *endpoint) offered() ([]*kubelet.Device, chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.devices, e.changed
}

// unknown reports whether the kubelet has to be told of the endpoint: it never was, or
// it has let go. When another agent's endpoint for the resource ends, the kubelet takes
// that for the end of this one.
func (e *endpoint) unknown() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.registered.IsZero() || e.watchers == 0 && time.Since(e.registered) > registerLimit
}

// register tells the kubelet of the endpoint.
func (e *endpoint) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerLimit)
	defer cancel()
	conn, err := dial(e.server.kubeletSocket())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	e.mu.Lock()
	e.registered = time.Now() // before the stream, whose end may come at once
	e.mu.Unlock()
	_, err = kubelet.NewRegistrationClient(conn).Register(ctx, &kubelet.RegisterRequest{Version: kubelet.Version,
		Endpoint: filepath.Base(e.socket), ResourceName: policy.ResourceDomain + e.profile, Options: options()})
	if err != nil {
		e.forgotten()
		return fmt.Errorf("registering with the kubelet: %w", err)
	}
	return nil
}

func (e *endpoint) forgotten() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.registered = time.Time{}
}

func dial(socket string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///kubelet", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithReadBufferSize(bufferSize), grpc.WithWriteBufferSize(bufferSize),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}))
}

func options() *kubelet.DevicePluginOptions {
	return &kubelet.DevicePluginOptions{PreStartRequired: true}
}

// GetDevicePluginOptions asks for the call before each container: without an agent the
// kubelet itself then starts none that has the resource.
func (e *endpoint) GetDevicePluginOptions(context.Context, *kubelet.Empty) (*kubelet.DevicePluginOptions, error) {
	return options(), nil
}

// ListAndWatch tells what there is, now and whenever it changes.
func (e *endpoint) ListAndWatch(_ *kubelet.Empty, stream grpc.ServerStreamingServer[kubelet.ListAndWatchResponse]) error {
	e.watch(1)
	defer e.watch(-1)
	for {
		devices, changed := e.offered()
		if err := stream.Send(&kubelet.ListAndWatchResponse{Devices: devices}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return nil
		case <-e.closing:
			return nil
		}
	}
}

// watch counts the kubelet's streams. When the last one ends, the kubelet has let go.
func (e *endpoint) watch(n int) {
	e.mu.Lock()
	e.watchers += n
	lost := n < 0 && e.watchers == 0
	if lost {
		e.registered = time.Time{}
	}
	e.mu.Unlock()
	if lost {
		e.server.Check()
	}
}

// Allocate lets the container carry the ids of its units. That is a word of the kubelet's
// about a container; what the container gets for it is decided when it is created.
func (e *endpoint) Allocate(_ context.Context, r *kubelet.AllocateRequest) (*kubelet.AllocateResponse, error) {
	out := &kubelet.AllocateResponse{}
	for _, c := range r.GetContainerRequests() {
		out.ContainerResponses = append(out.ContainerResponses, &kubelet.ContainerAllocateResponse{
			Annotations: map[string]string{policy.AnnotationResource + e.profile: policy.UnitsText(c.GetDevicesIds())}})
	}
	return out, nil
}

// PreStartContainer comes right before a container is created.
func (e *endpoint) PreStartContainer(_ context.Context, r *kubelet.PreStartContainerRequest) (*kubelet.PreStartContainerResponse, error) {
	if why := e.server.notReady(); why != "" {
		return nil, fmt.Errorf("nodegate: the container would not get %s%s: the agent is not ready: %s", policy.ResourceDomain, e.profile, why)
	}
	if err := e.server.allotted.arm(e.profile, r.GetDevicesIds()); err != nil {
		return nil, fmt.Errorf("nodegate: noting what is allotted: %w", err)
	}
	return &kubelet.PreStartContainerResponse{}, nil
}
