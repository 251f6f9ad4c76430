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

func (null) RemoveContainer(context.Context, *api.PodSandbox, *api.Container) error { return nil }

func (null) RemovePodSandbox(context.Context, *api.PodSandbox) error { return nil }

func (null) Synchronize(context.Context, []*api.PodSandbox, []*api.Container) ([]*api.ContainerUpdate, error) {
	return nil, nil
}

// validating is asked twice about each container, as nodegate is.
type validating struct{ null }

func (validating) ValidateContainerAdjustment(context.Context, *api.ValidateContainerAdjustmentRequest) error {
	return nil
}

// Called with a second argument, it validates.
func main() {
	var plugin any = null{}
	if len(os.Args) > 2 {
		plugin = validating{}
	}
	s, err := stub.New(plugin, stub.WithPluginName("null"), stub.WithPluginIdx("90"), stub.WithSocketPath(os.Args[1]))
	if err == nil {
		err = s.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, "nullplugin:", err)
	os.Exit(1)
}
