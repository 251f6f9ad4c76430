// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The fields of Kubernetes' objects that a policy has to do with. The others
// are not looked at.

type object struct {
	APIVersion text     `yaml:"apiVersion"`
	Kind       text     `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       struct {
		Template    *template `yaml:"template"`
		JobTemplate *struct {
			Spec struct {
				Template *template `yaml:"template"`
			} `yaml:"spec"`
		} `yaml:"jobTemplate"`
	} `yaml:"spec"`
	Template *template `yaml:"template"` // of a PodTemplate
	Handler  text      `yaml:"handler"`  // of a RuntimeClass
}

type metadata struct {
	Name         text          `yaml:"name"`
	GenerateName text          `yaml:"generateName"`
	Namespace    text          `yaml:"namespace"`
	Labels       map[text]text `yaml:"labels"`
	Annotations  map[text]text `yaml:"annotations"`
}

type template struct {
	Metadata metadata `yaml:"metadata"`
	Spec     *podSpec `yaml:"spec"`
}

type podSpec struct {
	Containers          []container `yaml:"containers"`
	InitContainers      []container `yaml:"initContainers"`
	EphemeralContainers []container `yaml:"ephemeralContainers"`

	HostUsers        *bool `yaml:"hostUsers"`
	HostNetwork      bool  `yaml:"hostNetwork"`
	HostPID          bool  `yaml:"hostPID"`
	HostIPC          bool  `yaml:"hostIPC"`
	RuntimeClassName text  `yaml:"runtimeClassName"`
	SecurityContext  struct {
		RunAsUser      *int64  `yaml:"runAsUser"`
		RunAsGroup     *int64  `yaml:"runAsGroup"`
		SeccompProfile seccomp `yaml:"seccompProfile"`
		Sysctls        []entry `yaml:"sysctls"`
	} `yaml:"securityContext"`
}

type container struct {
	Name            text    `yaml:"name"`
	RestartPolicy   text    `yaml:"restartPolicy"`
	Env             []entry `yaml:"env"`
	SecurityContext struct {
		RunAsUser      *int64  `yaml:"runAsUser"`
		RunAsGroup     *int64  `yaml:"runAsGroup"`
		Privileged     bool    `yaml:"privileged"`
		ProcMount      text    `yaml:"procMount"`
		SeccompProfile seccomp `yaml:"seccompProfile"`
		Capabilities   struct {
			Add  []text `yaml:"add"`
			Drop []text `yaml:"drop"`
		} `yaml:"capabilities"`
	} `yaml:"securityContext"`
	VolumeMounts []struct {
		MountPath text `yaml:"mountPath"`
		ReadOnly  bool `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	VolumeDevices []struct {
		DevicePath text `yaml:"devicePath"`
	} `yaml:"volumeDevices"`
	Resources struct {
		Limits map[text]any `yaml:"limits"`
	} `yaml:"resources"`
}

type seccomp struct {
	Type text `yaml:"type"`
}

type entry struct {
	Name  text  `yaml:"name"`
	Value *text `yaml:"value"`
}

// text is a string that is written as one: Kubernetes takes no number, true or
// date in its place.
type text string

func (t *text) UnmarshalYAML(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		*t = text(n.Value)
		return nil
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return nil
	case n.Kind == yaml.ScalarNode:
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: a number, a date, true or false is not a string: write %q", n.Line, n.Value)}}
	}
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: is a list or a mapping where a string belongs", n.Line)}}
}

// misspelt finds a field that is nearly one of those that matter: the
// API server would drop it, and the pod would be another one than was meant.
func misspelt(n *yaml.Node, known ...string) (line int, field, meant string) {
	if n == nil || n.Kind != yaml.MappingNode {
		return 0, "", ""
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		have := n.Content[i].Value
		for _, k := range known {
			if have != k && strings.EqualFold(strings.TrimSuffix(have, "s"), strings.TrimSuffix(k, "s")) {
				return n.Content[i].Line, have, k
			}
		}
	}
	return 0, "", ""
}

// field returns the value of a mapping's key, or nil.
func field(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var next *yaml.Node
		if n != nil && n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == name {
					next = n.Content[i+1]
				}
			}
		}
		if next != nil && next.Kind == yaml.AliasNode {
			next = next.Alias
		}
		n = next
	}
	return n
}
