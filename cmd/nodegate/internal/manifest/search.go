// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds of what is looked through. Kinds that are known nest some ten levels,
// and hold a few templates.
const (
	maxLevels    = 32
	maxTemplates = 256
	maxAliased   = 200_000 // objects of lists, and values that aliases stand for, in one document
)

// search looks for the pod templates of an object by their structure: kinds
// that nobody here knows hold them as well. There are four forms:
//
//	spec: {containers: […]}       a pod template, as of a Deployment or a JobSet
//	containers: [{image: …}]      a pod's spec without the word
//	templates: [{container: …}]   Argo's workflows
//	steps: [{image: …}]           Tekton's tasks
type search struct {
	*document
	kind    string
	root    *yaml.Node
	found   []found
	objects []*yaml.Node // that are written in this one, with a kind of their own
	passed  []passed     // metadata on the way
	problem string       // what kept it from looking everywhere
}

// found is one pod template.
type found struct {
	path string // dotted, from the object: "spec.template"; "" is the object itself
	form form
	at   *yaml.Node // what holds metadata and spec, or the containers
	in   *yaml.Node // the mapping around that, or nil
}

type form int

const (
	template form = iota
	bareSpec
	workflowStep // Argo's
	taskSteps    // Tekton's
)

// passed is metadata of what holds a template: its annotations are not the pod's.
type passed struct {
	path string
	meta *yaml.Node
}

func (s *search) look(n, in *yaml.Node, path string, level int) {
	if n = s.resolve(n); n == nil || s.problem != "" {
		return
	}
	if level > maxLevels {
		s.problem = fmt.Sprintf("is more than %d levels deep: pods further down are not explained", maxLevels)
		return
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for i, item := range n.Content {
			s.look(item, in, fmt.Sprintf("%s[%d]", path, i), level+1)
		}
	case yaml.MappingNode:
		s.lookInto(n, in, path, level)
	}
}

func (s *search) lookInto(n, in *yaml.Node, path string, level int) {
	if level > 0 && isObject(n) {
		s.objects = append(s.objects, n)
		return
	}
	if f, ok := formOf(n, path); ok {
		if len(s.found) == maxTemplates {
			s.problem = fmt.Sprintf("holds more than %d pods: split it", maxTemplates)
			return
		}
		s.found = append(s.found, found{path, f, n, in})
		if f == template && level > 0 {
			return // what else is in a pod is no pod
		}
	}
	if meta := field(n, "metadata"); meta != nil {
		s.passed = append(s.passed, passed{path, meta})
	}
	for key, value := range members(n) {
		switch {
		case level == 0 && (key == "metadata" || key == "status"), isContainers(key):
		default:
			s.look(value, n, strings.TrimPrefix(path+"."+key, "."), level+1)
		}
	}
}

func isContainers(key string) bool {
	return key == "containers" || key == "initContainers" || key == "ephemeralContainers"
}

// isObject reports whether a mapping is a Kubernetes object with something in it;
// a reference to one has no spec.
func isObject(n *yaml.Node) bool {
	kind, version := field(n, "kind"), field(n, "apiVersion")
	return kind != nil && kind.Kind == yaml.ScalarNode && version != nil && version.Kind == yaml.ScalarNode &&
		(field(n, "spec") != nil || field(n, "items") != nil)
}

// formOf recognizes what makes a pod.
func formOf(n *yaml.Node, path string) (form, bool) {
	last := path[strings.LastIndexByte(path, '.')+1:]
	switch {
	case areContainers(field(n, "spec", "containers"), "image", "name"):
		return template, true
	case last == "spec":
		return 0, false // was looked at with what holds it
	case areContainers(field(n, "containers"), "image"):
		return bareSpec, true
	case strings.HasPrefix(last, "templates[") && (field(n, "container", "image") != nil || field(n, "script", "image") != nil ||
		areContainers(field(n, "containerSet", "containers"), "image")):
		return workflowStep, true
	case areContainers(field(n, "steps"), "image", "ref", "script"):
		return taskSteps, true
	}
	return 0, false
}

// areContainers reports whether it is a list of mappings, each with one of the keys.
func areContainers(n *yaml.Node, keys ...string) bool {
	if n == nil || n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return false
	}
	return !slices.ContainsFunc(n.Content, func(item *yaml.Node) bool {
		return !slices.ContainsFunc(keys, func(key string) bool { return field(item, key) != nil })
	})
}

// resolve returns what an alias stands for. A document whose aliases stand for
// more than any manifest holds is not read further: nil.
func (d *document) resolve(n *yaml.Node) *yaml.Node {
	if n.Kind != yaml.AliasNode {
		return n
	}
	if d.spend(n, size(n.Alias, *d.left)) {
		return n.Alias
	}
	return nil
}

// spend takes from what the document may still hold, and says once when that
// is used up.
func (d *document) spend(at *yaml.Node, count int) bool {
	before := *d.left
	if *d.left -= count; *d.left > 0 {
		return true
	}
	if before > 0 {
		d.bad(d.line(at.Line), "has more than %d objects, or values that aliases stand for: split it", maxAliased)
	}
	return false
}

// size counts the values of a tree, as far as the bound.
func size(n *yaml.Node, bound int) int {
	count := 1
	for _, c := range n.Content {
		if count >= bound {
			break
		}
		if c.Kind == yaml.AliasNode {
			c = c.Alias
		}
		count += size(c, bound-count)
	}
	return count
}
