// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// template reads a pod template that was found, of an object with this metadata.
func (d *document) template(s *search, of *metadata, f *found) {
	name := cmp.Or(string(of.Name), strings.TrimSuffix(string(of.GenerateName), "-"))
	p := Pod{Kind: s.kind, Name: name + "-…", Namespace: cmp.Or(string(of.Namespace), d.namespace),
		Path: f.path, Several: len(s.found) > 1}
	var meta metadata
	var spec podSpec
	var err error
	switch f.form {
	case workflowStep:
		err = s.workflow(f, &meta, &spec)
	case taskSteps:
		meta = metadata{Labels: maps.Clone(of.Labels), Annotations: maps.Clone(of.Annotations)} // Tekton hands them on
		err = s.task(f, &meta, &spec)
	case bareSpec:
		err = decode(f.at, &spec)
		err = cmp.Or(err, decode(field(f.at, "metadata"), &meta))
	default:
		meta, err = s.ofTemplate(of, f)
		err = cmp.Or(err, decode(field(f.at, "spec"), &spec))
	}
	if err != nil {
		d.unreadable(err)
		return
	}
	if f.form != taskSteps {
		p.Hints = s.passedRequests(f)
	}
	var raw *yaml.Node // a pod's spec as it is written
	switch f.form {
	case template:
		raw = field(f.at, "spec")
		if f.path != "" { // else its metadata may be elsewhere
			p.written = written{d.first, field(f.at, "metadata"), raw, f.at}
		}
	case bareSpec:
		raw = f.at
	}
	d.add(p, s.root, &meta, &spec, raw)
}

// ofTemplate is a template's own metadata. A custom resource whose own spec has the
// containers names that of its pods podMetadata, if it does.
func (s *search) ofTemplate(of *metadata, f *found) (metadata, error) {
	var meta metadata
	if f.path != "" {
		return meta, decode(field(f.at, "metadata"), &meta)
	}
	if own := field(s.root, "spec", "podMetadata"); own != nil {
		return meta, decode(own, &meta)
	}
	return metadata{Labels: of.Labels, Annotations: of.Annotations}, nil
}

// passedRequests finds annotations on what holds the template, where they ask for
// nothing.
func (s *search) passedRequests(f *found) []string {
	var hints []string
	for _, p := range s.passed {
		if p.path == f.path || p.path != "" && !strings.HasPrefix(f.path, p.path+".") {
			continue
		}
		var meta metadata
		if err := decode(p.meta, &meta); err != nil {
			continue // of a form that nobody here knows
		}
		for _, key := range slices.Sorted(maps.Keys(meta.Annotations)) {
			if !isRequest(string(key)) {
				continue
			}
			where := "on the " + s.kind
			if p.path != "" {
				where = "at " + p.path + ".metadata"
			}
			hints = append(hints, fmt.Sprintf("the annotation %q stands %s, where it asks for nothing: move it to the metadata of the pod's template", key, where))
		}
	}
	return hints
}

// unnamed stands for a name that whoever makes the pod gives to a container.
const unnamed = "(unnamed)"

// Unnamed reports whether the manifest leaves the container's name to others.
func (c *Container) Unnamed() bool { return c.Name == unnamed }

// named is the name that a container without one gets. n is the object that the pod
// is of: https://knative.dev/docs/serving has user-container.
func named(n *yaml.Node, i, count int) text {
	version := field(n, "apiVersion")
	switch {
	case version == nil || !strings.HasPrefix(version.Value, "serving.knative.dev/"):
		return unnamed
	case count > 1:
		return text(fmt.Sprintf("user-container-%d", i))
	}
	return "user-container"
}

// decode reads what there is; nil is nothing.
func decode(n *yaml.Node, into any) error {
	if n == nil {
		return nil
	}
	return n.Decode(into)
}
