// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The fields of Kubernetes' objects that a policy has to do with. The others
// are not looked at.

type metadata struct {
	Name         text          `yaml:"name"`
	GenerateName text          `yaml:"generateName"`
	Namespace    text          `yaml:"namespace"`
	Labels       map[text]text `yaml:"labels"`
	Annotations  map[text]text `yaml:"annotations"`
}

type podSpec struct {
	Containers          []container `yaml:"containers"`
	InitContainers      []container `yaml:"initContainers"`
	EphemeralContainers []container `yaml:"ephemeralContainers"`

	HostUsers        *bool `yaml:"hostUsers"`
	HostNetwork      bool  `yaml:"hostNetwork"`
	HostPID          bool  `yaml:"hostPID"`
	HostIPC          bool  `yaml:"hostIPC"`
	ShareProcesses   *bool `yaml:"shareProcessNamespace"`
	RuntimeClassName text  `yaml:"runtimeClassName"`
	SecurityContext  struct {
		RunAsUser       *int64  `yaml:"runAsUser"`
		RunAsGroup      *int64  `yaml:"runAsGroup"`
		SeccompProfile  profile `yaml:"seccompProfile"`
		AppArmorProfile profile `yaml:"appArmorProfile"`
		Sysctls         []entry `yaml:"sysctls"`
		Groups          []int64 `yaml:"supplementalGroups"`
		FSGroup         *int64  `yaml:"fsGroup"`
	} `yaml:"securityContext"`
	Volumes []struct {
		Name  text `yaml:"name"`
		Claim struct {
			ReadOnly bool `yaml:"readOnly"`
		} `yaml:"persistentVolumeClaim"`
		HostPath struct {
			Path text `yaml:"path"`
		} `yaml:"hostPath"`
	} `yaml:"volumes"`
}

type container struct {
	Name            text        `yaml:"name"`
	Target          text        `yaml:"targetContainerName"`
	RestartPolicy   text        `yaml:"restartPolicy"`
	Command         words       `yaml:"command"`
	Args            words       `yaml:"args"`
	Env             []entry     `yaml:"env"`
	SecurityContext confinement `yaml:"securityContext"`
	Message         text        `yaml:"terminationMessagePath"`
	VolumeMounts    []struct {
		Name        text `yaml:"name"`
		MountPath   text `yaml:"mountPath"`
		SubPath     text `yaml:"subPath"`
		SubPathExpr text `yaml:"subPathExpr"`
		Propagation text `yaml:"mountPropagation"`
		ReadOnly    bool `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
	VolumeDevices []struct {
		Name       text `yaml:"name"`
		DevicePath text `yaml:"devicePath"`
	} `yaml:"volumeDevices"`
	Resources struct {
		Limits   map[text]any `yaml:"limits"`
		Requests map[text]any `yaml:"requests"`
	} `yaml:"resources"`
}

// confinement is a container's security context.
type confinement struct {
	RunAsUser       *int64  `yaml:"runAsUser"`
	RunAsGroup      *int64  `yaml:"runAsGroup"`
	Privileged      bool    `yaml:"privileged"`
	ProcMount       text    `yaml:"procMount"`
	SeccompProfile  profile `yaml:"seccompProfile"`
	AppArmorProfile profile `yaml:"appArmorProfile"`
	Capabilities    struct {
		Add  []text `yaml:"add"`
		Drop []text `yaml:"drop"`
	} `yaml:"capabilities"`
}

// over takes from another what it does not say itself.
func (c *confinement) over(of *confinement) {
	if c.RunAsUser == nil {
		c.RunAsUser = of.RunAsUser
	}
	if c.RunAsGroup == nil {
		c.RunAsGroup = of.RunAsGroup
	}
	c.Privileged = c.Privileged || of.Privileged
	c.ProcMount = cmp.Or(c.ProcMount, of.ProcMount)
	c.SeccompProfile.Type = cmp.Or(c.SeccompProfile.Type, of.SeccompProfile.Type)
	c.AppArmorProfile.Type = cmp.Or(c.AppArmorProfile.Type, of.AppArmorProfile.Type)
	if c.Capabilities.Add == nil {
		c.Capabilities.Add = of.Capabilities.Add
	}
	if c.Capabilities.Drop == nil {
		c.Capabilities.Drop = of.Capabilities.Drop
	}
}

// profile is a security module's, of which only the type matters.
type profile struct {
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

// words are a command's. One that is written in another form is no reason not to read the pod.
type words []string

func (w *words) UnmarshalYAML(n *yaml.Node) error {
	for _, c := range n.Content {
		if n.Kind != yaml.SequenceNode || c.Kind != yaml.ScalarNode {
			*w = nil
			return nil
		}
		*w = append(*w, c.Value)
	}
	return nil
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
		n = member(n, name, maxMerges)
	}
	return n
}

// maxMerges bounds merge keys (<<) within merged mappings.
const maxMerges = 4

func member(n *yaml.Node, name string, merges int) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	var merged *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Value == name:
			if value.Kind == yaml.AliasNode {
				value = value.Alias
			}
			return value
		case isMerge(key):
			merged = value
		}
	}
	if merged == nil || merges == 0 {
		return nil
	}
	for _, from := range mergedFrom(merged) {
		if value := member(from, name, merges-1); value != nil {
			return value
		}
	}
	return nil
}

func isMerge(key *yaml.Node) bool { return key.Value == "<<" && key.ShortTag() == "!!merge" }

// mergedFrom lists the mappings of a merge key.
func mergedFrom(value *yaml.Node) []*yaml.Node {
	if value.Kind == yaml.SequenceNode {
		return value.Content
	}
	return []*yaml.Node{value}
}

// members yields the keys of a mapping, and what is merged into it.
func members(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		seen := map[string]bool{}
		var all func(n *yaml.Node, merges int) bool
		all = func(n *yaml.Node, merges int) bool {
			if n.Kind == yaml.AliasNode {
				n = n.Alias
			}
			var merged *yaml.Node
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				key, value := n.Content[i], n.Content[i+1]
				switch {
				case isMerge(key):
					merged = value
				case !seen[key.Value]:
					seen[key.Value] = true
					if !yield(key.Value, value) {
						return false
					}
				}
			}
			if merged == nil || merges == 0 {
				return true
			}
			for _, from := range mergedFrom(merged) {
				if !all(from, merges-1) {
					return false
				}
			}
			return true
		}
		all(n, maxMerges)
	}
}
