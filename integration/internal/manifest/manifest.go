// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package manifest runs a manifest's pods without a kubelet: it says what that would send to
// the runtime for them.
package manifest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/node"
)

// Pod is what of a pod, or of a template of one, reaches the runtime.
type Pod struct {
	Metadata struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}
	Spec struct {
		HostUsers        *bool  `yaml:"hostUsers"`
		RuntimeClassName string `yaml:"runtimeClassName"`
		SecurityContext  struct {
			RunAsUser          *int64  `yaml:"runAsUser"`
			RunAsGroup         *int64  `yaml:"runAsGroup"`
			SupplementalGroups []int64 `yaml:"supplementalGroups"`
			FSGroup            *int64  `yaml:"fsGroup"`
			SeccompProfile     seccomp `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		InitContainers []Container `yaml:"initContainers"`
		Containers     []Container
		Volumes        []Volume
	}
}

// Container is one of a pod's.
type Container struct {
	Name, Image     string
	Command         []string
	WorkingDir      string `yaml:"workingDir"`
	Env             []struct{ Name, Value string }
	SecurityContext struct {
		RunAsUser                *int64 `yaml:"runAsUser"`
		RunAsGroup               *int64 `yaml:"runAsGroup"`
		AllowPrivilegeEscalation *bool  `yaml:"allowPrivilegeEscalation"`
		Capabilities             struct{ Drop []string }
		SeccompProfile           seccomp `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	StartupProbe struct{ Exec struct{ Command []string } } `yaml:"startupProbe"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	VolumeDevices []struct {
		DevicePath string `yaml:"devicePath"`
	} `yaml:"volumeDevices"`
}

// Volume is a directory of the node, where it is not one that the kubelet makes.
type Volume struct {
	Name      string
	HostPath  struct{ Path string } `yaml:"hostPath"`
	ConfigMap struct{ Name string } `yaml:"configMap"`
}

type seccomp struct{ Type string }

// Pods finds the pods of a manifest: whatever has a spec with containers.
func Pods(t *testing.T, text []byte) (out []Pod) {
	t.Helper()
	var root any
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var find func(value any)
	find = func(value any) {
		switch v := value.(type) {
		case []any:
			for _, item := range v {
				find(item)
			}
		case map[string]any:
			if spec, ok := v["spec"].(map[string]any); ok && spec["containers"] != nil {
				written, err := yaml.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				var p Pod
				if err := yaml.Unmarshal(written, &p); err != nil {
					t.Fatal(err)
				}
				out = append(out, p)
				return
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				find(v[key])
			}
		}
	}
	find(root)
	return out
}

// Config is the pod's sandbox.
func (p *Pod) Config() node.PodConfig {
	c := node.PodConfig{Name: p.Metadata.Name, Namespace: p.Metadata.Namespace, Labels: p.Metadata.Labels, Annotations: p.Metadata.Annotations,
		Handler: p.Spec.RuntimeClassName, UserNamespace: p.Spec.HostUsers != nil && !*p.Spec.HostUsers,
		SupplementalGroups: p.Spec.SecurityContext.SupplementalGroups}
	if group := p.Spec.SecurityContext.FSGroup; group != nil {
		c.SupplementalGroups = append(slices.Clip(c.SupplementalGroups), *group)
	}
	return c
}

// Container is one of the pod's, as the runtime is asked for it. Directories are of volumes
// that the kubelet would make, by their names.
func (p *Pod) Container(c *Container, directories map[string]string) node.ContainerConfig {
	own, shared := &c.SecurityContext, &p.Spec.SecurityContext
	out := node.ContainerConfig{Name: c.Name, Image: c.Image, Env: map[string]string{},
		RunAsUser: own.RunAsUser, RunAsGroup: own.RunAsGroup, DropCapabilities: own.Capabilities.Drop, Seccomp: node.Seccomp(own.SeccompProfile.Type),
		NoNewPrivs: own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation,
		Customize:  func(r *runtimeapi.ContainerConfig) { r.WorkingDir = c.WorkingDir }}
	if out.RunAsUser == nil {
		out.RunAsUser = shared.RunAsUser
	}
	if out.RunAsGroup == nil {
		out.RunAsGroup = shared.RunAsGroup
	}
	if out.Seccomp == node.SeccompDefault {
		out.Seccomp = node.Seccomp(shared.SeccompProfile.Type)
	}
	var variables []string
	for _, e := range c.Env {
		out.Env[e.Name] = e.Value
		variables = append(variables, "$("+e.Name+")", e.Value)
	}
	for _, word := range c.Command {
		out.Command = append(out.Command, strings.NewReplacer(variables...).Replace(word))
	}
	for _, m := range c.VolumeMounts {
		for _, v := range p.Spec.Volumes {
			if v.Name != m.Name {
				continue
			}
			path := v.HostPath.Path
			if path == "" {
				path = directories[v.Name]
			}
			out.Mounts = append(out.Mounts, node.Mount{HostPath: path, ContainerPath: m.MountPath})
		}
	}
	return out
}
