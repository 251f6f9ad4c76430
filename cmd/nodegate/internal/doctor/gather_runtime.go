// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/plugin"
)

// endpoints are where containerd's socket is: its own, k3s' and RKE2's, k0s'.
var endpoints = []string{
	"/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock", "/run/k0s/containerd.sock",
}

const runtimeLimit = 5 * time.Second

// runtime asks the runtime who it is, and finds out which process that is.
func (g *gatherer) runtime(ctx context.Context) Told[Runtime] {
	endpoint, err := g.endpoint()
	if err != nil {
		return unknown[Runtime](err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeLimit)
	defer cancel()
	if g.pid, err = peer(ctx, endpoint); err != nil {
		return unknown[Runtime](why(err))
	}
	return toldOr(ask(ctx, endpoint))
}

// endpoint returns the socket to ask.
func (g *gatherer) endpoint() (string, error) {
	if g.Endpoint != "" {
		return strings.TrimPrefix(g.Endpoint, "unix://"), nil
	}
	for _, known := range endpoints {
		for _, file := range []string{known, path.Join(g.config.State.HostRoot, known)} {
			if _, err := os.Stat(file); err == nil {
				return file, nil
			} else if errors.Is(err, fs.ErrPermission) {
				return "", errors.New(why(err))
			}
		}
	}
	return "", fmt.Errorf("no containerd: there is no socket at %s", list(endpoints))
}

// peer returns the id of the process that listens at a socket, as this process
// numbers it: 0 if it does not see it.
func peer(ctx context.Context, socket string) (int, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	if ctl := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); ctl != nil || err != nil {
		return 0, errors.Join(ctl, err)
	}
	return int(cred.Pid), nil
}

func ask(ctx context.Context, socket string) (r Runtime, err error) {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return r, err
	}
	defer func() { _ = conn.Close() }()
	cri := runtimeapi.NewRuntimeServiceClient(conn)
	v, err := cri.Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return r, fmt.Errorf("%s does not answer as a CRI runtime: %w", socket, err)
	}
	r = Runtime{Endpoint: socket, Name: v.GetRuntimeName(), Version: v.GetRuntimeVersion()}
	if known, err := plugin.ParseRuntime(r.Name + "/" + r.Version); err == nil {
		r.NRI, r.CarriesAll = known.String(), known.TellsContainer()
	} else {
		r.NRI = fmt.Sprintf("%s %s (NRI unknown)", r.Name, r.Version)
	}
	status, err := cri.Status(ctx, &runtimeapi.StatusRequest{Verbose: true})
	if err != nil {
		return r, fmt.Errorf("asking %s for its status: %w", socket, err)
	}
	for _, h := range status.GetRuntimeHandlers() {
		if h.GetFeatures().GetUserNamespaces() {
			r.UserNS = append(r.UserNS, h.GetName())
		}
	}
	var info struct {
		Containerd struct {
			Default  string `json:"defaultRuntimeName"`
			Runtimes map[string]struct {
				Options Handler `json:"options"`
			} `json:"runtimes"`
		} `json:"containerd"`
	}
	if err := json.Unmarshal([]byte(status.GetInfo()["config"]), &info); err == nil && len(info.Containerd.Runtimes) > 0 {
		r.Default, r.Handlers = info.Containerd.Default, map[string]Handler{}
		for name, h := range info.Containerd.Runtimes {
			r.Handlers[name] = h.Options
		}
	}
	return r, nil
}
