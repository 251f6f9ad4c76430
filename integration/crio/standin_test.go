// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package crio tests agent and wrapper under what CRI-O and conmon do: a stand-in
// sends the NRI requests, writes the specs and calls the runtime with the very
// arguments that CRI-O 1.36.3 with conmon 2.1 was seen to. NRI and runc are real.
package crio

import (
	"context"
	"encoding/json"
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
	"github.com/sirupsen/logrus"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

func TestMain(m *testing.M) { it.Main(m) }

const policy = `version = 1
nri.socket = %q
[state]
dir = %q
shadow_dir = %q
[server]
listen = %q
[log]
level = "error"
[profiles.less]
capabilities.drop = ["KILL"]
[[grants]]
namespaces = ["team-*"]
profiles = ["less"]
apply = "always"
`

// caps are what CRI-O gives by default, of what matters here.
var caps = []string{"CAP_CHOWN", "CAP_SETUID", "CAP_KILL"}

const capKill = uint64(1) << 5

// crio is the stand-in.
type crio struct {
	*testing.T
	dir     string
	wrapper *it.BuiltWrapper
	nri     *adaptation.Adaptation
	synced  chan error
	agent   *exec.Cmd
	relayed chan net.Conn // what ends with CRI-O
	bound   []*container
	next    int
}

// pod is a sandbox.
type pod struct {
	id, name, namespace string
	host                bool // network
	annotations         map[string]string
}

// container is one that was asked for. As in CRI-O, its process is remembered as it
// was before the wrapper.
type container struct {
	*pod
	id, name, bundle string
}

func newCRIO(t *testing.T) *crio {
	t.Helper()
	node.Require(t, node.Options{})
	logrus.SetOutput(io.Discard)
	c := &crio{T: t, dir: t.TempDir(), wrapper: it.BuildWrapper(t), synced: make(chan error, 10), relayed: make(chan net.Conn, 10)}
	c.wrapper.Exempt(t, c.at("state"))
	it.Must(t, os.MkdirAll(c.at("state"), 0o700))
	shadows := fmt.Sprintf("/dev/.udev/nodegate-crio-%d", os.Getpid())
	t.Cleanup(func() { _ = os.RemoveAll(shadows) })
	it.Must(t, os.WriteFile(c.at("policy.toml"), fmt.Appendf(nil, policy, c.at("relay.sock"), c.at("state"), shadows, "unix://"+c.at("agent.sock")), 0o600))
	c.relay()
	c.start()
	t.Cleanup(func() {
		for _, ctr := range c.bound {
			_, _ = c.run("", "--root", c.at("runc"), "delete", "--force", ctr.id)
		}
		c.stopAgent()
		c.nri.Stop()
	})
	return c
}

func (c *crio) at(name string) string { return filepath.Join(c.dir, name) }

// start starts CRI-O's side of NRI, which is told to an agent that connects.
func (c *crio) start() {
	c.Helper()
	none := c.at("none")
	var err error
	c.nri, err = adaptation.New("cri-o", "1.36.3", func(ctx context.Context, sync adaptation.SyncCB) error {
		var pods []*api.PodSandbox
		var ctrs []*api.Container
		for _, ctr := range c.bound {
			pods, ctrs = append(pods, ctr.nriPod()), append(ctrs, ctr.nri(ctr.recorded()))
		}
		_, err := sync(ctx, pods, ctrs)
		c.synced <- err
		return err
	}, func(context.Context, []*api.ContainerUpdate) ([]*api.ContainerUpdate, error) { return nil, nil },
		adaptation.WithSocketPath(c.at("nri.sock")), adaptation.WithPluginPath(none), adaptation.WithPluginConfigPath(none))
	it.Must(c.T, err)
	it.Must(c.T, c.nri.Start())
	<-c.synced // no plugin of its own
}

// relay connects agents with NRI. A runtime that ends ends their connections, which NRI's
// own Stop does not.
func (c *crio) relay() {
	c.Helper()
	l, err := net.Listen("unix", c.at("relay.sock"))
	it.Must(c.T, err)
	c.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			agent, err := l.Accept()
			if err != nil {
				return
			}
			nri, err := net.Dial("unix", c.at("nri.sock"))
			if err != nil {
				_ = agent.Close()
				continue
			}
			c.relayed <- agent
			go func() { _, _ = io.Copy(nri, agent); _ = nri.Close() }()
			go func() { _, _ = io.Copy(agent, nri); _ = agent.Close() }()
		}
	}()
}

// restart ends CRI-O and starts it again. Its containers go on under their monitors.
func (c *crio) restart() {
	c.Helper()
	c.nri.Stop()
	for len(c.relayed) > 0 {
		_ = (<-c.relayed).Close()
	}
	c.start()
	c.registered()
}

func (c *crio) startAgent() {
	c.Helper()
	c.agent = exec.Command(it.BuildCommand(c.T, "github.com/nodegate/nodegate/cmd/nodegate"), "run", "--config", c.at("policy.toml"))
	c.agent.Stderr = os.Stderr
	it.Must(c.T, c.agent.Start())
	c.registered()
}

// registered waits until the agent has been told of what runs.
func (c *crio) registered() {
	c.Helper()
	for over := time.After(20 * time.Second); ; {
		select {
		case err := <-c.synced:
			if err == nil {
				time.Sleep(100 * time.Millisecond) // registered once synchronised
				return
			}
		case <-over:
			c.Fatal("the agent does not register")
		}
	}
}

func (c *crio) stopAgent() {
	if c.agent != nil {
		_ = c.agent.Process.Kill()
		_ = c.agent.Wait()
		c.agent = nil
	}
}

func (c *crio) newID() string {
	c.next++
	return fmt.Sprintf("%056x%08x", os.Getpid(), c.next)
}

func (c *crio) newContainer(p *pod, name string) *container {
	c.Helper()
	ctr := &container{pod: p, id: c.newID(), name: name}
	if name == "" {
		ctr.id = p.id // an infra container has its pod's
	}
	ctr.bundle = c.at("overlay-containers/" + ctr.id + "/userdata")
	it.Must(c.T, os.MkdirAll(filepath.Join(ctr.bundle, "rootfs/proc"), 0o755))
	bin, err := node.BinDir()
	it.Must(c.T, err)
	it.Must(c.T, exec.Command("cp", filepath.Join(bin, "probe"), filepath.Join(ctr.bundle, "rootfs/probe")).Run())
	return ctr
}

// create asks the plugins, writes the spec and has conmon create the container. The
// error is what the pod's event would say.
func (c *crio) create(ctr *container, tty bool) error {
	c.Helper()
	annotations := ctr.annotate()
	if ctr.name != "" {
		reply, err := c.nri.CreateContainer(c.Context(), &api.CreateContainerRequest{Pod: ctr.nriPod(), Container: ctr.nri(annotations)})
		if err != nil {
			return err
		}
		for key, value := range reply.GetAdjust().GetAnnotations() {
			annotations[key] = value
		}
	}
	it.Must(c.T, os.WriteFile(filepath.Join(ctr.bundle, "config.json"), ctr.spec(annotations, tty), 0o644))
	c.bound = append(c.bound, ctr)
	args := []string{"--root=" + c.at("runc"), "create", "--bundle", ctr.bundle, "--pid-file", filepath.Join(ctr.bundle, "pidfile")}
	if tty {
		args = append(args, "--console-socket", c.console())
	}
	if _, err := c.run(ctr.bundle, append(args, ctr.id)...); err != nil {
		c.bound = c.bound[:len(c.bound)-1]
		return err
	}
	if ctr.name != "" {
		if err := c.nri.StartContainer(c.Context(), &api.StartContainerRequest{Pod: ctr.nriPod(), Container: ctr.nri(annotations)}); err != nil {
			return err
		}
	}
	_, err := c.run("", "--root", c.at("runc"), "start", ctr.id)
	return err
}

// run calls the wrapper as conmon and CRI-O call their runtime.
func (c *crio) run(dir string, args ...string) (string, error) {
	cmd := exec.Command(c.wrapper.Program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"CRI_O_EXTERNAL=1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4"}
	// A file: a pipe would be open as long as the container.
	out, err := os.CreateTemp(c.dir, "output-")
	it.Must(c.T, err)
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	if err != nil {
		err = fmt.Errorf("container create failed: %s", text)
	}
	return string(text), err
}

// exec starts a process beside the container's own, through conmon or by itself, and
// returns its status in /proc.
func (c *crio) exec(ctr *container, args ...string) error {
	c.Helper()
	process := c.at("exec-process-" + c.newID())
	text, err := json.Marshal(ctr.process([]string{"/probe", "pause"}, len(args) > 0 && args[len(args)-2] == "--console-socket"))
	it.Must(c.T, err)
	it.Must(c.T, os.WriteFile(process, text, 0o600))
	pidfile := c.at("pidfile" + c.newID())
	line := append([]string{"--root=" + c.at("runc"), "exec", "--pid-file", pidfile, "--process", process, "--detach"}, args...)
	if _, err := c.run("", append(line, ctr.id)...); err != nil {
		return err
	}
	c.expectLess(pidfile)
	return nil
}

// stream is the exec of kubectl: its process shows its own status.
func (c *crio) stream(ctr *container) (string, error) {
	c.Helper()
	process := c.at("exec-process-" + c.newID())
	text, err := json.Marshal(ctr.process([]string{"/probe", "cat", "/proc/self/status"}, false))
	it.Must(c.T, err)
	it.Must(c.T, os.WriteFile(process, text, 0o600))
	return c.run("", "--root", c.at("runc"), "exec", "--process", process, ctr.id)
}

// expectLess looks whether a process lacks what the policy takes away.
func (c *crio) expectLess(pidfile string) {
	c.Helper()
	pid, err := os.ReadFile(pidfile)
	it.Must(c.T, err)
	status, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/status")
	it.Must(c.T, err)
	_, rest, _ := strings.Cut(string(status), "CapBnd:")
	var set uint64
	_, err = fmt.Sscanf(strings.TrimSpace(rest), "%x", &set)
	it.Must(c.T, err)
	if set&capKill != 0 || set == 0 {
		c.Errorf("the process of %s has the capabilities %#x, with CAP_KILL", pidfile, set)
	}
}

// console listens for a terminal, which it drops, as conmon does.
func (c *crio) console() string {
	c.Helper()
	// A unix socket's path is short.
	dir, err := os.MkdirTemp("", "conmon-term.")
	it.Must(c.T, err)
	c.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", dir+"/s")
	it.Must(c.T, err)
	go func() {
		defer func() { _ = l.Close() }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		// Kept open until the test's end: it is the container's terminal.
		c.Cleanup(func() { _ = conn.Close() })
		_, _, _, _, _ = conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 4096), make([]byte, 4096))
	}()
	return dir + "/s"
}
