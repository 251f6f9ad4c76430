// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Edit is what is to be written otherwise in a pod's manifest. The zero Edit
// changes nothing.
type Edit struct {
	Containers   map[string]ContainerEdit
	HostUsers    bool   // write hostUsers: false
	RuntimeClass string // "" leaves it as it is
	Annotations  map[string]string
	Sysctls      []string // that go
}

// ContainerEdit is the part of an [Edit] that is about one container.
type ContainerEdit struct {
	Unprivileged bool     // write privileged: false
	Mounts       []string // that go, by their mountPath; a volume that nobody mounts then goes as well
	Limits       []string // that go, and the requests of the same name
}

// Words lists the changes.
func (e *Edit) Words() []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(e.Annotations)) {
		out = append(out, fmt.Sprintf("annotation %s: %s", key, scalar(e.Annotations[key])))
	}
	if e.HostUsers {
		out = append(out, "hostUsers: false")
	}
	if e.RuntimeClass != "" {
		out = append(out, "runtimeClassName: "+e.RuntimeClass)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Containers)) {
		c := e.Containers[name]
		if c.Unprivileged {
			out = append(out, fmt.Sprintf("container %q: privileged: false", name))
		}
		for _, m := range append(slices.Clip(c.Mounts), c.Limits...) {
			out = append(out, fmt.Sprintf("container %q: without %q", name, m))
		}
	}
	for _, name := range e.Sysctls {
		out = append(out, fmt.Sprintf("without the sysctl %q", name))
	}
	return out
}

// written is where a pod stands in its file.
type written struct {
	first      int        // the line of the file on which its document begins
	meta, spec *yaml.Node // nil where they are written in another form
	around     *yaml.Node // the mapping that holds both
}

// errForm says that a manifest has to be edited by hand.
var errForm = errors.New("is written in a form that is not edited here, so the proposal was not tried. Change it by hand")

// Edited is the file's text with some of its pods, by their index, written
// otherwise; it has to be one of [ReadToEdit]. Every other byte stays. A pod that cannot be edited has an error
// and stays as well.
func (f *File) Edited(edits map[int]Edit) ([]byte, map[int]error) {
	failed := map[int]error{}
	var all []splice
	starts := lineStarts(f.text)
	for i := range f.Pods {
		edit, ok := edits[i]
		if !ok {
			continue
		}
		e := editor{text: f.text, starts: starts[min(max(f.Pods[i].written.first-1, 0), len(starts)):]}
		if e.pod(&f.Pods[i].written, &edit); e.err != nil {
			failed[i] = e.err
			continue
		}
		all = append(all, e.splices...)
	}
	return spliced(f.text, all), failed
}

func (e *editor) pod(at *written, edit *Edit) {
	if at.spec == nil || at.spec.Kind != yaml.MappingNode || anchored(at.spec) || at.meta != nil && anchored(at.meta) {
		e.err = errForm
		return
	}
	if edit.HostUsers {
		e.set(at.spec, "hostUsers", "false")
	}
	if edit.RuntimeClass != "" {
		e.set(at.spec, "runtimeClassName", edit.RuntimeClass)
	}
	e.annotate(at, edit.Annotations)
	gone := map[*yaml.Node]bool{}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, c := range items(field(at.spec, list)) {
			if name := field(c, "name"); name != nil {
				own := edit.Containers[name.Value]
				e.container(c, &own, gone)
			}
		}
	}
	unmounted(at.spec, gone)
	for _, s := range items(field(at.spec, "securityContext", "sysctls")) {
		if name := field(s, "name"); name != nil && slices.Contains(edit.Sysctls, name.Value) {
			gone[s] = true
		}
	}
	if len(gone) > 0 {
		e.prune(at.spec, gone)
	}
}

func (e *editor) container(c *yaml.Node, edit *ContainerEdit, gone map[*yaml.Node]bool) {
	if edit.Unprivileged {
		e.replace(field(c, "securityContext", "privileged"), "false")
	}
	for _, m := range items(field(c, "volumeMounts")) {
		if p := field(m, "mountPath"); p != nil && slices.Contains(edit.Mounts, p.Value) {
			gone[m] = true
		}
	}
	for _, list := range []string{"limits", "requests"} {
		for _, name := range edit.Limits {
			if v := field(c, "resources", list, name); v != nil {
				gone[v] = true
			}
		}
	}
}

// unmounted adds to gone the volumes whose mounts all go.
func unmounted(spec *yaml.Node, gone map[*yaml.Node]bool) {
	kept, went := map[string]bool{}, map[string]bool{}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, c := range items(field(spec, list)) {
			for _, m := range append(items(field(c, "volumeMounts")), items(field(c, "volumeDevices"))...) {
				if name := field(m, "name"); name != nil && gone[m] {
					went[name.Value] = true
				} else if name != nil {
					kept[name.Value] = true
				}
			}
		}
	}
	for _, v := range items(field(spec, "volumes")) {
		if name := field(v, "name"); name != nil && went[name.Value] && !kept[name.Value] {
			gone[v] = true
		}
	}
}

func (e *editor) annotate(at *written, annotations map[string]string) {
	if len(annotations) == 0 {
		return
	}
	in := field(at.meta, "annotations")
	switch {
	case in != nil && in.Kind == yaml.MappingNode:
		for _, key := range slices.Sorted(maps.Keys(annotations)) {
			e.set(in, key, annotations[key])
		}
	case in != nil, at.meta != nil && at.meta.Kind != yaml.MappingNode:
		e.err = errForm
	case at.meta != nil:
		e.insert(at.meta, newEntry{key: "annotations", below: annotations})
	default:
		e.insert(at.around, newEntry{key: "metadata", in: "annotations", below: annotations})
	}
}

// set writes a key of a mapping: its value in place, or a new entry.
func (e *editor) set(in *yaml.Node, key, value string) {
	if have := field(in, key); have != nil {
		e.replace(have, scalar(value))
		return
	}
	e.insert(in, newEntry{key: key, value: value})
}

// anchored reports whether something in it is written once and used elsewhere.
func anchored(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, anchored)
}

func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return slices.Clip(n.Content)
}

// scalar writes a string so that YAML reads it as one; false stays a boolean.
func scalar(value string) string {
	if value == "false" {
		return value
	}
	text, err := yaml.Marshal(value)
	if err != nil || bytes.Count(text, []byte("\n")) > 1 {
		return `""` // no value of ours has lines
	}
	return strings.TrimSuffix(string(text), "\n")
}
