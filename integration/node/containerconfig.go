// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"os"
	"path/filepath"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ContainerConfig is what a test says of a container; the rest is what the kubelet
// would send. The zero value is the test image that sleeps, as root.
type ContainerConfig struct {
	Name    string   // default: "main"
	Image   string   // default: Image
	Command []string // default: the image's
	Args    []string
	Env     map[string]string

	Annotations map[string]string

	RunAsUser, RunAsGroup  *int64
	SupplementalGroups     []int64
	Privileged             bool
	ReadOnlyRootFilesystem bool
	// NoNewPrivs is allowPrivilegeEscalation: false.
	NoNewPrivs bool
	// Names without CAP_, or "ALL".
	AddCapabilities, DropCapabilities []string
	Seccomp                           Seccomp
	// UnmaskedProc is procMount: Unmasked.
	UnmaskedProc bool

	Mounts     []Mount
	Devices    []Device // as a device plugin gives them
	CDIDevices []string
	Resources  *runtimeapi.LinuxContainerResources // default: best effort

	// Customize changes the request last, for what no field says.
	Customize func(*runtimeapi.ContainerConfig)
}

// Mount is a volume: a path of the host in the container.
type Mount struct {
	HostPath, ContainerPath string
	ReadOnly                bool
	Propagation             runtimeapi.MountPropagation
}

// Device is a host's device in the container; Permissions are of r, w and m.
type Device struct {
	HostPath, ContainerPath, Permissions string
}

// request translates the configuration as the kubelet's kuberuntime does.
func (c ContainerConfig) request(p *Pod) (*runtimeapi.ContainerConfig, error) {
	mounts, err := p.node.kubeletMounts(p.Config, c.Name)
	if err != nil {
		return nil, fmt.Errorf("making files of container %q: %w", c.Name, err)
	}
	r := &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: c.Name},
		Image:    &runtimeapi.ImageSpec{Image: c.Image, UserSpecifiedImage: c.Image},
		Command:  c.Command,
		Args:     c.Args,
		Labels:   merged(p.Config.labels(), map[string]string{labelContainerName: c.Name}),
		Annotations: merged(map[string]string{
			"io.kubernetes.container.restartCount":             "0",
			"io.kubernetes.container.terminationMessagePath":   "/dev/termination-log",
			"io.kubernetes.container.terminationMessagePolicy": "File",
			"io.kubernetes.pod.terminationGracePeriod":         "30",
		}, c.Annotations),
		LogPath: filepath.Join(c.Name, "0.log"),
		Linux:   &runtimeapi.LinuxContainerConfig{Resources: c.Resources, SecurityContext: c.securityContext(p)},
	}
	for name, value := range c.Env {
		r.Envs = append(r.Envs, &runtimeapi.KeyValue{Key: name, Value: []byte(value)})
	}
	for _, m := range c.Mounts {
		mounts = append(mounts, &runtimeapi.Mount{ContainerPath: m.ContainerPath, HostPath: m.HostPath, Readonly: m.ReadOnly, Propagation: m.Propagation})
	}
	if userns := r.Linux.SecurityContext.NamespaceOptions.UsernsOptions; userns != nil {
		// Every mount is id-mapped, so that the container's root is the host's there.
		for _, m := range mounts {
			m.UidMappings, m.GidMappings = userns.Uids, userns.Gids
		}
	}
	r.Mounts = mounts
	for _, d := range c.Devices {
		r.Devices = append(r.Devices, &runtimeapi.Device{HostPath: d.HostPath, ContainerPath: d.ContainerPath, Permissions: d.Permissions})
	}
	for _, name := range c.CDIDevices {
		r.CDIDevices = append(r.CDIDevices, &runtimeapi.CDIDevice{Name: name})
	}
	if c.Customize != nil {
		c.Customize(r)
	}
	return r, os.MkdirAll(filepath.Join(p.request.LogDirectory, c.Name), 0o755)
}

func (c ContainerConfig) securityContext(p *Pod) *runtimeapi.LinuxContainerSecurityContext {
	s := &runtimeapi.LinuxContainerSecurityContext{
		Capabilities:       &runtimeapi.Capability{AddCapabilities: c.AddCapabilities, DropCapabilities: c.DropCapabilities},
		Privileged:         c.Privileged,
		NamespaceOptions:   p.Config.namespaceOptions(),
		RunAsUser:          int64Value(first(c.RunAsUser, p.Config.RunAsUser, new(int64))), // an image without a user runs as 0
		RunAsGroup:         int64Value(first(c.RunAsGroup, p.Config.RunAsGroup)),
		SupplementalGroups: append(p.Config.SupplementalGroups[:len(p.Config.SupplementalGroups):len(p.Config.SupplementalGroups)], c.SupplementalGroups...),
		ReadonlyRootfs:     c.ReadOnlyRootFilesystem,
		NoNewPrivs:         c.NoNewPrivs,
		Seccomp:            c.Seccomp.profile(),
	}
	if !c.UnmaskedProc {
		s.MaskedPaths, s.ReadonlyPaths = maskedPaths(), readonlyPaths()
	}
	return s
}

func first(values ...*int64) *int64 {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

func (c ContainerConfig) withDefaults() ContainerConfig {
	if c.Name == "" {
		c.Name = "main"
	}
	if c.Image == "" {
		c.Image = Image
	}
	if c.Resources == nil {
		c.Resources = bestEffort()
	}
	return c
}
