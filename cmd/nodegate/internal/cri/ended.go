// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"errors"

	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// plain is an error of the runtime without gRPC's own wrapping.
func plain(err error) error { return errors.New(status.Convert(err).Message()) }

// Ended is whether a container has ended, and how.
type Ended struct {
	Ended   bool
	Code    int32
	Message string // the runtime's, of one that it could not start
}

// Ended asks for one container, by its id.
func (c *Client) Ended(ctx context.Context, id string) (Ended, error) {
	r, err := c.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		return Ended{}, answered("container "+id, err)
	}
	s := r.GetStatus()
	return Ended{s.GetState() == runtimeapi.ContainerState_CONTAINER_EXITED, s.GetExitCode(), s.GetMessage()}, nil
}

// execTimeout bounds one program, in seconds.
const execTimeout = 30

// Exec runs a program in a container, and returns its exit code.
func (c *Client) Exec(ctx context.Context, id string, argv ...string) (code int32, err error) {
	r, err := c.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{ContainerId: id, Cmd: argv, Timeout: execTimeout})
	if err != nil {
		return 0, answered("a program in container "+id, err)
	}
	return r.GetExitCode(), nil
}
