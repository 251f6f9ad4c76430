// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Container is a container that the CRI has created.
type Container struct {
	ID     string
	Config ContainerConfig
	pod    *Pod
}

// Result is what an exec'd program wrote and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int32
}

// CreateContainer creates a container. A refusal wraps an *EventError.
func (p *Pod) CreateContainer(ctx context.Context, c ContainerConfig) (*Container, error) {
	c = c.withDefaults()
	request, err := c.request(p)
	if err != nil {
		return nil, err
	}
	r, err := p.node.cri.CreateContainer(ctx, &runtimeapi.CreateContainerRequest{
		PodSandboxId: p.ID, Config: request, SandboxConfig: p.request,
	})
	if err != nil {
		return nil, containerError(err)
	}
	created := &Container{ID: r.GetContainerId(), Config: c, pod: p}
	p.mu.Lock()
	p.containers[created.ID] = created
	p.mu.Unlock()
	return created, nil
}

// StartContainer starts a container that was created. A refusal wraps an *EventError.
func (p *Pod) StartContainer(ctx context.Context, c *Container) error {
	if _, err := p.node.cri.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: c.ID}); err != nil {
		return containerError(err)
	}
	return nil
}

// RunContainer creates and starts a container. One that does not start is removed.
func (p *Pod) RunContainer(ctx context.Context, config ContainerConfig) (*Container, error) {
	c, err := p.CreateContainer(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := p.StartContainer(ctx, c); err != nil {
		return nil, errors.Join(err, c.Remove(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// Exec runs a program in the container as kubectl exec does and waits for it. That it
// ended with another code than 0 is no error.
func (c *Container) Exec(ctx context.Context, argv ...string) (Result, error) {
	r, err := c.pod.node.cri.ExecSync(ctx, &runtimeapi.ExecSyncRequest{ContainerId: c.ID, Cmd: argv})
	if err != nil {
		return Result{}, fmt.Errorf("executing %q in container %q: %w", argv, c.Config.Name, err)
	}
	return Result{Stdout: string(r.GetStdout()), Stderr: string(r.GetStderr()), Code: r.GetExitCode()}, nil
}

// Probe asks the test image's program a question and returns its answer, without the
// line's end: what was found, or the errno's name.
func (c *Container) Probe(ctx context.Context, question ...string) (string, error) {
	r, err := c.Exec(ctx, append([]string{ProbePath}, question...)...)
	if err != nil {
		return "", err
	}
	if r.Code != 0 && r.Code != 1 {
		return "", fmt.Errorf("asking the probe %q in container %q: code %d: %s%s", question, c.Config.Name, r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n"), nil
}

// Wait returns the exit code of the container's program when that has ended.
func (c *Container) Wait(ctx context.Context) (int32, error) {
	for {
		r, err := c.pod.node.cri.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: c.ID})
		if err != nil {
			return 0, fmt.Errorf("waiting for container %q: %w", c.Config.Name, err)
		}
		if r.GetStatus().GetState() == runtimeapi.ContainerState_CONTAINER_EXITED {
			return r.GetStatus().GetExitCode(), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("waiting for container %q: %w", c.Config.Name, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Log is what the container's program wrote, in the CRI's log format.
func (c *Container) Log() (string, error) {
	content, err := os.ReadFile(filepath.Join(c.pod.request.LogDirectory, c.Config.Name, "0.log"))
	if err != nil {
		return "", fmt.Errorf("reading the log of container %q: %w", c.Config.Name, err)
	}
	return string(content), nil
}

// Spec is the config.json that the OCI runtime got, as it is in the bundle now: with
// what a wrapper of the runtime wrote there. It is there while the container runs.
func (c *Container) Spec() (*specs.Spec, error) { return c.pod.node.readSpec(c.ID) }

// ContainerSpec is the same of a container by its id.
func (n *Node) ContainerSpec(id string) (*specs.Spec, error) { return n.readSpec(id) }

// Pid is the container's process in the caller's PID namespace.
func (c *Container) Pid() (int, error) { return c.pod.node.readPid(c.ID) }

// Remove ends the container and removes it.
func (c *Container) Remove(ctx context.Context) error {
	if _, err := c.pod.node.cri.StopContainer(ctx, &runtimeapi.StopContainerRequest{ContainerId: c.ID, Timeout: 5}); err != nil {
		return fmt.Errorf("stopping container %q: %w", c.Config.Name, err)
	}
	// On a slow machine containerd may learn of the end a moment after the stop.
	for {
		_, err := c.pod.node.cri.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: c.ID})
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "still running") || ctx.Err() != nil {
			return fmt.Errorf("removing container %q: %w", c.Config.Name, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.pod.mu.Lock()
	delete(c.pod.containers, c.ID)
	c.pod.mu.Unlock()
	return nil
}

// Bundle is the OCI bundle of a container or sandbox by id.
func (n *Node) Bundle(id string) string {
	return filepath.Join(n.state, "io.containerd.runtime.v2.task", criNamespace, id)
}

func (n *Node) readSpec(id string) (*specs.Spec, error) {
	content, err := os.ReadFile(filepath.Join(n.Bundle(id), "config.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the OCI spec: %w", err)
	}
	spec := &specs.Spec{}
	if err := json.Unmarshal(content, spec); err != nil {
		return nil, fmt.Errorf("reading the OCI spec of %q: %w", id, err)
	}
	return spec, nil
}

func (n *Node) readPid(id string) (int, error) {
	content, err := os.ReadFile(filepath.Join(n.Bundle(id), "init.pid"))
	if err != nil {
		return 0, fmt.Errorf("reading a container's process id: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("reading the process id of %q: %w", id, err)
	}
	return pid, nil
}
