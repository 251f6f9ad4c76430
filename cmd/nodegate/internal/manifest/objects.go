// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds lists in lists, and objects within others.
const maxDepth = 8

// object reads one object, or each of a list of them. ofList is the kind that
// its list gives to items that name none, or "".
func (d *document) object(n *yaml.Node, ofList string) {
	kind, ok := d.kindOf(n, ofList)
	if items := field(n, "items"); items != nil && items.Kind == yaml.SequenceNode {
		d.list(n, items, itemKind(kind))
		return
	}
	if !ok {
		return
	}
	switch kind {
	case "Pod":
		d.pod(n, kind)
	case "RuntimeClass":
		d.runtimeClass(n)
	case "CustomResourceDefinition": // a schema, deep and with the names of a pod's fields
		d.other(kind)
	default:
		d.holder(n, kind)
	}
}

// kindOf returns the kind of an object, and reports one that is missing or odd
// unless the object is a list.
func (d *document) kindOf(n *yaml.Node, ofList string) (string, bool) {
	kind := field(n, "kind")
	list := field(n, "items") != nil
	switch {
	case (kind == nil || kind.Kind != yaml.ScalarNode || kind.Value == "") && ofList != "":
		return ofList, true
	case kind == nil || kind.Kind != yaml.ScalarNode || kind.Value == "":
		if !list {
			d.noObject(n, n.Line, "has no kind: write kind: Pod, or %s", workloads)
		}
		return "", false
	case !isName(kind.Value):
		if !list {
			d.noObject(n, kind.Line, "%q is not a kind: write Pod, or %s", kind.Value, workloads)
		}
		return "", false
	}
	return kind.Value, true
}

// itemKind is the kind of the items of a typed list, as the API server answers
// with: the items of a PodList name none themselves.
func itemKind(list string) string {
	kind, typed := strings.CutSuffix(list, "List")
	if !typed {
		return ""
	}
	return kind
}

func (d *document) list(n, items *yaml.Node, kind string) {
	if d.depth >= maxDepth {
		d.bad(d.line(n.Line), "is a list that is more than %d lists and objects deep: write its items into the outer one", maxDepth)
		return
	}
	d.out.emptyList = d.out.emptyList || len(items.Content) == 0
	for _, item := range items.Content {
		at := item.Line
		if item = d.resolve(item); item == nil || !d.spend(item, 1) {
			return
		}
		if item.Kind != yaml.MappingNode {
			d.bad(d.line(at), "an item of the list is no Kubernetes object: write apiVersion, kind, metadata and spec")
			continue
		}
		d.within(item, kind, d.inner, "")
	}
}

// within reads an object that is written in a list or in another object.
func (d *document) within(n *yaml.Node, kind string, inner bool, namespace string) {
	of := *d
	of.depth++
	of.inner = inner
	of.namespace = cmp.Or(namespace, d.namespace)
	of.place.Line = d.line(n.Line)
	of.object(n, kind)
}

func (d *document) runtimeClass(n *yaml.Node) {
	var o struct {
		Metadata metadata `yaml:"metadata"`
		Handler  text     `yaml:"handler"`
	}
	if err := n.Decode(&o); err != nil {
		d.unreadable(err)
		return
	}
	if o.Handler != "" {
		d.out.RuntimeClasses[string(o.Metadata.Name)] = string(o.Handler)
	}
}

// holder reads an object of any other kind: the pod templates in it, wherever
// they are.
func (d *document) holder(n *yaml.Node, kind string) {
	var o struct {
		Metadata metadata `yaml:"metadata"`
	}
	if err := n.Decode(&o); err != nil && holdsPods(kind) {
		d.unreadable(err)
		return
	} else if err != nil {
		o.Metadata = metadata{} // of a kind whose form nobody here knows
	}
	s := search{document: d, kind: kind, root: n}
	s.look(n, nil, "", 0)
	if s.problem != "" {
		d.bad(d.line(n.Line), "%s %q %s", kind, o.Metadata.Name, s.problem)
	}
	if len(s.found) == 0 && s.problem == "" && holdsPods(kind) {
		d.bad(0, "%s %q has no containers: write them under spec.%s", kind, o.Metadata.Name, templatePath(kind))
		return
	}
	before := len(d.out.Pods) + len(d.out.Problems)
	for i := range s.found {
		d.template(&s, &o.Metadata, &s.found[i])
	}
	if len(s.objects) > 0 && d.depth >= maxDepth {
		d.bad(d.line(n.Line), "%s %q holds objects that are more than %d deep: explain those by themselves", kind, o.Metadata.Name, maxDepth)
		return
	}
	for _, object := range s.objects {
		d.within(object, "", true, cmp.Or(string(o.Metadata.Namespace), d.namespace))
	}
	if len(d.out.Pods)+len(d.out.Problems) == before && s.problem == "" {
		d.other(kind)
	}
}

// other leaves an object alone that holds no pod.
func (d *document) other(kind string) {
	if !d.inner { // else it is a part of something else, such as a claim
		d.out.Notes = append(d.out.Notes, d.problem(0, "kind %s holds no pod: explain reads a Pod, or a %s that holds one", kind, workloads))
	}
}

var kinds = []string{"Pod", "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "PodTemplate"}

func holdsPods(kind string) bool { return slices.Contains(kinds, kind) }

func templatePath(kind string) string {
	if kind == "CronJob" {
		return "jobTemplate.spec.template.spec.containers"
	}
	return "template.spec.containers"
}
