// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command nullplugin is an NRI plugin that does nothing: what a round trip
// costs before anybody decides anything. Its argument is the NRI socket.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
)

type null struct{}

func (null) CreateContainer(context.Context, *api.PodSandbox, *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	return nil, nil, nil
}

// Where nodegate validates, it is asked twice about a container: so is this one.
func (null) ValidateContainerAdjustment(context.Context, *api.ValidateContainerAdjustmentRequest) error {
	return nil
}

func (null) RemoveContainer(context.Context, *api.PodSandbox, *api.Container) error { return nil }

func (null) RemovePodSandbox(context.Context, *api.PodSandbox) error { return nil }

func (null) Synchronize(context.Context, []*api.PodSandbox, []*api.Container) ([]*api.ContainerUpdate, error) {
	return nil, nil
}

func main() {
	s, err := stub.New(null{}, stub.WithPluginName("null"), stub.WithPluginIdx("90"), stub.WithSocketPath(os.Args[1]))
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, "nullplugin:", err)
	os.Exit(1)
}
