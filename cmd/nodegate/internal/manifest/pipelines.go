// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"
)

// workflow reads a template of an Argo workflow, of which the pod's parts stand in
// several places: https://argo-workflows.readthedocs.io/en/latest/fields/#template
func (s *search) workflow(f *found, meta *metadata, spec *podSpec) error {
	var t struct {
		Metadata     metadata   `yaml:"metadata"`
		Container    *container `yaml:"container"`
		Script       *container `yaml:"script"`
		ContainerSet *struct {
			Containers []container `yaml:"containers"`
		} `yaml:"containerSet"`
		Init     []container `yaml:"initContainers"`
		Sidecars []container `yaml:"sidecars"`
		Patch    text        `yaml:"podSpecPatch"`
	}
	var shared struct {
		PodMetadata metadata `yaml:"podMetadata"`
		Patch       text     `yaml:"podSpecPatch"`
	}
	for _, step := range []struct {
		from *yaml.Node
		into any
	}{{f.in, &shared}, {f.in, spec}, {f.at, spec}, {f.at, &t}} {
		if err := decode(step.from, step.into); err != nil {
			return err
		}
	}
	*meta = metadata{Labels: both(shared.PodMetadata.Labels, t.Metadata.Labels),
		Annotations: both(shared.PodMetadata.Annotations, t.Metadata.Annotations)}
	spec.Containers, spec.InitContainers = nil, t.Init
	for _, main := range []*container{t.Container, t.Script} {
		if main != nil {
			main.Name = "main"
			spec.Containers = append(spec.Containers, *main)
		}
	}
	if t.ContainerSet != nil {
		spec.Containers = append(spec.Containers, t.ContainerSet.Containers...)
	}
	spec.Containers = append(spec.Containers, t.Sidecars...)
	for _, patch := range []text{shared.Patch, t.Patch} {
		if strings.Contains(string(patch), "{{") {
			return errTemplate
		}
		var p struct {
			HostUsers        *bool `yaml:"hostUsers"`
			RuntimeClassName text  `yaml:"runtimeClassName"`
		}
		if err := yaml.Unmarshal([]byte(patch), &p); err != nil {
			return fmt.Errorf("line %d: podSpecPatch of %s cannot be read: %s", f.at.Line, f.path, strings.Join(strings.Fields(err.Error()), " "))
		}
		if p.HostUsers != nil {
			spec.HostUsers = p.HostUsers
		}
		if p.RuntimeClassName != "" {
			spec.RuntimeClassName = p.RuntimeClassName
		}
	}
	return nil
}

// task reads a Tekton task, which runs as one pod with a container for each step:
// https://tekton.dev/docs/pipelines/tasks and …/podtemplates
func (s *search) task(f *found, meta *metadata, spec *podSpec) error {
	var t struct {
		Metadata metadata    `yaml:"metadata"`
		Steps    []container `yaml:"steps"`
		Sidecars []container `yaml:"sidecars"`
		Each     container   `yaml:"stepTemplate"`
	}
	pod := field(s.root, "spec", "podTemplate")
	if pod == nil {
		pod = field(s.root, "spec", "taskRunTemplate", "podTemplate")
	}
	if err := decode(pod, spec); err != nil {
		return err
	}
	if err := decode(f.at, &t); err != nil {
		return err
	}
	if f.path != "" {
		meta.Labels, meta.Annotations = both(meta.Labels, t.Metadata.Labels), both(meta.Annotations, t.Metadata.Annotations)
	}
	spec.Containers = nil
	for i, step := range t.Steps {
		if step.Name == "" {
			step.Name = text(fmt.Sprintf("unnamed-%d", i))
		}
		step.Name = "step-" + step.Name
		step.SecurityContext.over(&t.Each.SecurityContext)
		step.Env = append(t.Each.Env[:len(t.Each.Env):len(t.Each.Env)], step.Env...)
		spec.Containers = append(spec.Containers, step)
	}
	for _, sidecar := range t.Sidecars {
		if sidecar.Name != "" {
			sidecar.Name = "sidecar-" + sidecar.Name
		}
		spec.Containers = append(spec.Containers, sidecar)
	}
	return nil
}

// both joins two maps; the second one's values hold.
func both(a, b map[text]text) map[text]text {
	out := map[text]text{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}
