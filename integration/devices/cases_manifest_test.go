// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// podOf is what of a pod, or of a template of one, the kubelet would send to the runtime.
type podOf struct {
	Metadata struct{ Labels, Annotations map[string]string }
	Spec     struct {
		HostUsers        *bool  `yaml:"hostUsers"`
		RuntimeClassName string `yaml:"runtimeClassName"`
		SecurityContext  struct {
			RunAsUser          *int64  `yaml:"runAsUser"`
			RunAsGroup         *int64  `yaml:"runAsGroup"`
			SupplementalGroups []int64 `yaml:"supplementalGroups"`
			FSGroup            *int64  `yaml:"fsGroup"`
		} `yaml:"securityContext"`
		Containers []containerOf
		Volumes    []struct {
			Name     string
			HostPath struct{ Path string } `yaml:"hostPath"`
		}
	}
}

type containerOf struct {
	Name            string
	SecurityContext struct {
		RunAsUser                *int64 `yaml:"runAsUser"`
		RunAsGroup               *int64 `yaml:"runAsGroup"`
		AllowPrivilegeEscalation *bool  `yaml:"allowPrivilegeEscalation"`
		Capabilities             struct{ Drop []string }
		SeccompProfile           struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
	VolumeDevices []struct {
		DevicePath string `yaml:"devicePath"`
	} `yaml:"volumeDevices"`
}

// podsOf finds the pods of a manifest: whatever has a spec with containers.
func podsOf(t *testing.T, text []byte) (out []podOf) {
	t.Helper()
	var root any
	it.Must(t, yaml.Unmarshal(text, &root))
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
				var p podOf
				it.Must(t, err, yaml.Unmarshal(written, &p))
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

// config is the pod's sandbox. Its ids are those that explain takes for granted.
func (p *podOf) config(namespace string) node.PodConfig {
	c := node.PodConfig{Namespace: namespace, Labels: p.Metadata.Labels, Annotations: p.Metadata.Annotations, Handler: p.Spec.RuntimeClassName,
		UserNamespace: p.Spec.HostUsers != nil && !*p.Spec.HostUsers, SupplementalGroups: p.Spec.SecurityContext.SupplementalGroups}
	if c.UserNamespace {
		c.UIDMappings = []node.IDMapping{{Host: 65536, Size: 65536}}
		c.GIDMappings = c.UIDMappings
	}
	if group := p.Spec.SecurityContext.FSGroup; group != nil {
		c.SupplementalGroups = append(slices.Clip(c.SupplementalGroups), *group)
	}
	return c
}

// container is one of the pod's, as the runtime is asked for it.
func (p *podOf) container(c *containerOf, name string) node.ContainerConfig {
	own, shared := &c.SecurityContext, &p.Spec.SecurityContext
	out := node.ContainerConfig{Name: name, RunAsUser: shared.RunAsUser, RunAsGroup: shared.RunAsGroup, DropCapabilities: own.Capabilities.Drop,
		Seccomp: node.Seccomp(own.SeccompProfile.Type), NoNewPrivs: own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation}
	if own.RunAsUser != nil {
		out.RunAsUser = own.RunAsUser
	}
	if own.RunAsGroup != nil {
		out.RunAsGroup = own.RunAsGroup
	}
	for _, m := range c.VolumeMounts {
		for _, v := range p.Spec.Volumes {
			if v.Name == m.Name {
				out.Mounts = append(out.Mounts, node.Mount{HostPath: v.HostPath.Path, ContainerPath: m.MountPath})
			}
		}
	}
	for _, d := range c.VolumeDevices {
		out.Devices = append(out.Devices, node.Device{HostPath: blockVolume, ContainerPath: d.DevicePath, Permissions: "mrw"})
	}
	return out
}

// blockVolume is the disk of every claim.
const blockVolume = "/dev/claimed"

// expectations are the first lines of a case: what must come of it.
type expectations struct {
	want, with  string // with are flags
	says, never []string
}

func expectationsOf(text string) (e expectations) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "# want":
			e.want = value
		case "# with":
			e.with = value
		case "# says":
			e.says = append(e.says, value)
		case "# never":
			e.never = append(e.never, value)
		}
	}
	return e
}

// check compares what was said, whatever its lines and columns are.
func (e expectations) check(t *testing.T, out string) {
	t.Helper()
	got := strings.Join(strings.Fields(out), " ")
	for _, s := range e.says {
		if !strings.Contains(got, strings.Join(strings.Fields(s), " ")) {
			t.Errorf("does not say %q:\n%s", s, out)
		}
	}
	for _, s := range e.never {
		if strings.Contains(got, s) {
			t.Errorf("says %q:\n%s", s, out)
		}
	}
}
