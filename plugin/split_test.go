// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
	"github.com/sirupsen/logrus"
)

// objects are as many pods and containers of one size, in KiB.
type objects struct{ pods, podKiB, containers, containerKiB int }

// lists are what a runtime would send of them.
func (o objects) lists() (pods []*api.PodSandbox, ctrs []*api.Container) {
	for i := range o.pods {
		pods = append(pods, &api.PodSandbox{Id: fmt.Sprint("p", i), Name: "pod", Namespace: "nobody",
			Labels: map[string]string{"large": strings.Repeat("x", o.podKiB<<10)}})
	}
	for i := range o.containers {
		ctrs = append(ctrs, &api.Container{Id: fmt.Sprint("c", i), Name: "main", PodSandboxId: fmt.Sprint("p", i%max(o.pods, 1)),
			Env: []string{"LARGE=" + strings.Repeat("x", o.containerKiB<<10)}})
	}
	return pods[:len(pods):len(pods)], ctrs[:len(ctrs):len(ctrs)]
}

// TestUpstreamSplit is how NRI 0.12.5 sends a plugin the list of pods and containers, by
// its own pkg/adaptation and with a plugin that does nothing. It halves a message that is
// too large no further than to four pods and four containers, it does so even where fewer
// are left, and it may round the pods of a message down to none. What it cannot send keeps
// the plugin out, or ends the runtime; sizes.go has the limits that follow.
func TestUpstreamSplit(t *testing.T) {
	for _, tc := range upstreamSplits() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// In a process of its own: the runtime may end.
			cmd := exec.Command(os.Args[0], "-test.run=^TestUpstreamSplitRuntime$")
			// It may not come to remove its folder; a short path, for the socket in it.
			limit := 20 // seconds for a request: a slow machine is no fault of the runtime's
			if tc.want == "deadline exceeded" {
				limit = 2 // NRI's own
			}
			dir, err := os.MkdirTemp("", "split")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			cmd.Env = append(os.Environ(), "TMPDIR="+dir, fmt.Sprintf("NODEGATE_SPLIT=%d %d %d %d %d", tc.pods, tc.podKiB, tc.containers, tc.containerKiB, limit))
			out, err := cmd.CombinedOutput()
			if tc.want == "" && err != nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v: %s, want %q", err, out, tc.want)
			}
		})
	}
}

// upstreamSplit is a list, and what the runtime says of it; "" for a plugin that is let in.
type upstreamSplit struct {
	name string
	objects
	want string
}

func upstreamSplits() []upstreamSplit {
	return []upstreamSplit{
		{"small", objects{200, 1, 400, 8}, ""},
		{"four large pods", objects{4, 1200, 4, 8}, "failed to synchronize plugin with split messages"},
		{"three large containers", objects{3, 1, 3, 1900}, "failed to synchronize plugin with split messages"},
		{"large containers beside small pods", objects{13, 1, 26, 1900}, "failed to synchronize plugin with split messages"},
		{"eight that fit, but fewer pods are left than a message gets", objects{2, 500, 7, 500}, "panic: runtime error: slice bounds out of range"},
		{"pods rounded down to none", objects{1, 1, 40, 120}, "deadline exceeded"},
		{"containers rounded down to none", objects{40, 120, 1, 1}, "deadline exceeded"},
		{"ten that fit", objects{20, 128, 20, 384}, ""},
	}
}

// TestUpstreamSplitRuntime is the runtime of TestUpstreamSplit.
func TestUpstreamSplitRuntime(t *testing.T) {
	var o objects
	var limit time.Duration
	if _, err := fmt.Sscan(os.Getenv("NODEGATE_SPLIT"), &o.pods, &o.podKiB, &o.containers, &o.containerKiB, &limit); err != nil {
		return // it is not run by that
	}
	adaptation.SetPluginRequestTimeout(limit * time.Second)
	pods, ctrs := o.lists()
	socket, synced := runtimeAmong(t, pods, ctrs)
	startIdle(t, socket)
	if err := <-synced; err != nil {
		t.Fatal(err)
	}
}

// startIdle registers a plugin that does nothing.
func startIdle(t *testing.T, socket string) stub.Stub {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stub.New(&idle{}, stub.WithPluginName("idle"), stub.WithPluginIdx("10"),
		stub.WithConnection(conn), stub.WithLogger(stubLogger{}), stub.WithOnClose(func() {}))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Start(context.WithoutCancel(t.Context())) }() // what comes of it, the runtime tells
	return s
}

// idle is a plugin that does nothing.
type idle struct{}

func (*idle) Synchronize(context.Context, []*api.PodSandbox, []*api.Container) ([]*api.ContainerUpdate, error) {
	return nil, nil
}

func (*idle) RemovePodSandbox(context.Context, *api.PodSandbox) error { return nil }

// runtimeAmong plays a runtime that has these pods and containers. It returns its socket,
// and what comes of each plugin's registration.
func runtimeAmong(t *testing.T, pods []*api.PodSandbox, ctrs []*api.Container) (socket string, synced chan error) {
	t.Helper()
	logrus.SetOutput(io.Discard)
	dir := t.TempDir()
	socket = filepath.Join(dir, "nri.sock")
	synced = make(chan error, 100)
	r, err := adaptation.New("containerd", "v2.4.2",
		func(ctx context.Context, sync adaptation.SyncCB) error {
			_, err := sync(ctx, pods, ctrs)
			synced <- err
			return err
		},
		func(context.Context, []*api.ContainerUpdate) ([]*api.ContainerUpdate, error) { return nil, nil },
		adaptation.WithSocketPath(socket), adaptation.WithPluginPath(dir+"/none"), adaptation.WithPluginConfigPath(dir+"/none"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	<-synced // of the plugins that the runtime starts: there are none
	return socket, synced
}
