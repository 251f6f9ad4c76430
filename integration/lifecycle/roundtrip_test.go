// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	rspec "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/proto"

	"github.com/nodegate/nodegate/integration/node"
)

const roundTripPolicy = `version = 1
nri.socket = %q
[state]
dir = %q
shadow_dir = %q
[server]
listen = %q
[log]
level = "error"
[[grants]]
namespaces = ["ci"]
profiles = ["ping", "fuse", "no-mknod"]
`

// BenchmarkRoundTrip plays the runtime's side of NRI and compares nodegate with a plugin
// that does nothing, asked as often, request by request in one run. It fails where a
// container that no grant concerns costs more than next to nothing above that, or where
// the agent holds more memory than it needs.
func BenchmarkRoundTrip(b *testing.B) {
	node.Require(b, node.Options{})
	const rounds = 300
	null, gate := startRuntime(b, nullPlugin), startRuntime(b, nodegatePlugin)
	sandbox := startSandbox(b)
	for _, bc := range []struct {
		name, namespace, request string
		userns                   bool
		most                     float64 // times the plugin that does nothing
	}{
		{name: "no grant", namespace: "default", most: 1.25},
		{name: "granted, not asked for", namespace: "ci", most: 1.25},
		{name: "ping, user namespace", namespace: "ci", request: "ping", userns: true},
		{name: "fuse", namespace: "ci", request: "fuse"},
		{name: "fuse, user namespace", namespace: "ci", request: "fuse", userns: true},
		{name: "no-mknod", namespace: "ci", request: "no-mknod"},
	} {
		b.Run(bc.name, func(b *testing.B) {
			ratio, number := 0.0, 0
			for try := 0; try < 5 && (try == 0 || bc.most > 0 && ratio > bc.most); try++ { // the machine may have been busy
				base, got := measure(b, rounds, null, gate, func(int) (*api.PodSandbox, *api.Container) {
					number++
					return roundTripPod(fmt.Sprintf("c%08d", number), bc.namespace, bc.request, bc.userns, sandbox)
				})
				ratio = float64(got) / float64(base)
				b.ReportMetric(float64(base.Nanoseconds()), "ns/nothing")
				b.ReportMetric(float64(got.Nanoseconds()), "ns/nodegate")
			}
			b.ReportMetric(ratio, "ratio")
			if bc.most > 0 && ratio > bc.most {
				b.Errorf("%.2f times the round trip of a plugin that does nothing, want at most %.2f", ratio, bc.most)
			}
		})
	}
	nullKiB, gateKiB := null.rss(b), gate.rss(b)
	b.Logf("resident memory: a plugin that does nothing %d KiB, nodegate %d KiB", nullKiB, gateKiB)
	if gateKiB > nullKiB+14*1024 { // HTTP, metrics and the latest outcomes among it
		b.Errorf("nodegate holds %d KiB, want at most 14 MiB more than %d KiB", gateKiB, nullKiB)
	}
}

// measure returns the median round trip of both, taken in turns, so that a
// machine that gets slower does so for both.
func measure(t testing.TB, rounds int, null, gate *nriRuntime, request func(i int) (*api.PodSandbox, *api.Container)) (base, got time.Duration) {
	t.Helper()
	var a, b []time.Duration
	for i := range rounds {
		pod, ctr := request(i)
		a = append(a, null.create(t, pod, ctr))
		b = append(b, gate.create(t, pod, ctr))
	}
	slices.Sort(a)
	slices.Sort(b)
	return a[len(a)/2], b[len(b)/2]
}

// nriRuntime is the runtime's half of NRI, with one plugin.
type nriRuntime struct {
	*adaptation.Adaptation
	plugin *exec.Cmd
}

func startRuntime(t testing.TB, command func(t testing.TB, socket string) *exec.Cmd) *nriRuntime {
	t.Helper()
	r, _ := startRuntimeAmong(t, nil, nil, command)
	return r
}

// startRuntimeAmong starts one with containers, and returns what each try of the plugin
// to register took.
func startRuntimeAmong(t testing.TB, pods []*api.PodSandbox, ctrs []*api.Container, command func(t testing.TB, socket string) *exec.Cmd) (*nriRuntime, []time.Duration) {
	t.Helper()
	logrus.SetOutput(io.Discard)
	dir := t.TempDir()
	socket := filepath.Join(dir, "nri.sock")
	synced := make(chan error, 100)
	var tries []time.Duration
	r, err := adaptation.New("containerd", "v2.4.2",
		func(ctx context.Context, sync adaptation.SyncCB) error {
			began := time.Now()
			_, err := sync(ctx, pods, ctrs)
			tries = append(tries, time.Since(began))
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
	tries = nil
	cmd := command(t, socket)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	err = errors.New("no try")
	for over := time.After(20 * time.Second); err != nil; {
		select {
		case err = <-synced:
		case <-over:
			t.Fatalf("the plugin does not register: %v", err)
		}
	}
	time.Sleep(100 * time.Millisecond) // registered once synchronised
	return &nriRuntime{r, cmd}, tries
}

func nullPlugin(t testing.TB, socket string) *exec.Cmd {
	return exec.Command(it.BuildCommand(t, "github.com/nodegate/nodegate/integration/nullplugin"), socket, "validating")
}

func nodegatePlugin(t testing.TB, socket string) *exec.Cmd {
	dir := t.TempDir()
	shadows := fmt.Sprintf("/dev/.udev/nodegate-roundtrip-%d", os.Getpid())
	t.Cleanup(func() { _ = os.RemoveAll(shadows) })
	path := filepath.Join(dir, "config.toml")
	// Records lie on a tmpfs, as they do under a node's /run.
	state, err := os.MkdirTemp("/dev/shm", "nodegate-roundtrip-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	text := fmt.Sprintf(roundTripPolicy, socket, state, shadows, "unix://"+state+"/nodegate.sock")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(it.BuildCommand(t, "github.com/nodegate/nodegate/cmd/nodegate"), "run", "--config", path)
}

// create sends one request and takes the container away again, untimed.
func (r *nriRuntime) create(t testing.TB, pod *api.PodSandbox, ctr *api.Container) time.Duration {
	t.Helper()
	req := &api.CreateContainerRequest{Pod: pod, Container: proto.Clone(ctr).(*api.Container)}
	ctx := context.Background()
	start := time.Now()
	_, err := r.CreateContainer(ctx, req)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveContainer(ctx, &api.RemoveContainerRequest{Pod: pod, Container: ctr}); err != nil {
		t.Fatal(err)
	}
	return took
}

// startSandbox starts a process in a user namespace, where a pod's sandbox is.
func startSandbox(t testing.TB) int {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func (r *nriRuntime) rss(t testing.TB) int { return r.memory(t, "VmRSS:") }

func (r *nriRuntime) memory(t testing.TB, field string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.plugin.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no " + field)
	return 0
}

// roundTripPod is what containerd 2.4 sends for a small pod, with its default
// seccomp profile.
func roundTripPod(id, namespace, request string, userns bool, sandbox int) (*api.PodSandbox, *api.Container) {
	spaces := []*api.LinuxNamespace{{Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "network", Path: "/var/run/netns/x"}}
	if userns {
		spaces = append(spaces, &api.LinuxNamespace{Type: "user"})
	}
	pod := &api.PodSandbox{
		Id: "p-" + id, Name: "bench", Uid: "0d7c4e9e", Namespace: namespace,
		Labels:      map[string]string{"app": "bench", "io.kubernetes.pod.namespace": namespace},
		Annotations: map[string]string{"kubernetes.io/config.source": "api"},
		Pid:         uint32(sandbox),
		Linux:       &api.LinuxPodSandbox{Namespaces: spaces},
	}
	if request != "" {
		pod.Annotations["profiles.nodegate.dev"] = request
	}
	caps := []string{"CAP_CHOWN", "CAP_MKNOD", "CAP_NET_RAW"}
	profile := seccomp.DefaultProfile(&rspec.Spec{Process: &rspec.Process{Capabilities: &rspec.LinuxCapabilities{Bounding: caps}}})
	ctr := &api.Container{
		Id: id, PodSandboxId: pod.Id, Name: "main",
		Args: []string{"/bin/app", "--serve"},
		Env:  []string{"PATH=/usr/bin:/bin", "KUBERNETES_SERVICE_HOST=10.96.0.1", "HOSTNAME=bench"},
		User: &api.User{Uid: 1000, Gid: 1000},
		Linux: &api.LinuxContainer{
			Namespaces: spaces, SeccompPolicy: api.FromOCILinuxSeccomp(profile),
			CgroupsPath: "/kubepods/pod0d7c4e9e/" + id,
		},
	}
	for _, at := range []string{"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/etc/hosts", "/etc/resolv.conf", "/var/run/secrets/kubernetes.io/serviceaccount"} {
		ctr.Mounts = append(ctr.Mounts, &api.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "rw"}})
	}
	return pod, ctr
}
