// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
)

// The annotations by which a pod asks for profiles. Most specific first; the
// first that exists replaces the others.
const (
	AnnotationContainer = "profiles.nodegate.dev/container." // and the container's name
	AnnotationPod       = "profiles.nodegate.dev/pod"
	AnnotationBare      = "profiles.nodegate.dev"
)

// maxRequest bounds an annotation's value, in bytes. Far above any sensible
// list, far below what Kubernetes lets a pod carry.
const maxRequest = 4096

// requested returns the profile names that the pod asks for on behalf of the
// container: trimmed, without duplicates, in the order written. It allocates
// nothing for a pod that asks for nothing.
func (r *Request) requested() ([]string, *Refusal) {
	key, value, rank := "", "", 0
	for k, v := range r.Annotations {
		if !strings.HasPrefix(k, AnnotationBare) {
			continue
		}
		got := 0
		switch rest := k[len(AnnotationBare):]; {
		case rest == "":
			got = 1
		case rest[0] != '/':
			continue // some other domain that starts alike
		case k == AnnotationPod:
			got = 2
		case strings.HasPrefix(k, AnnotationContainer):
			if k[len(AnnotationContainer):] != r.Container {
				continue
			}
			got = 3
		default:
			return nil, r.Refuse(BadRequest, "has the annotation %q, which means nothing: write %q, or %q and the container's name",
				clip(k), AnnotationPod, AnnotationContainer)
		}
		if got > rank {
			key, value, rank = k, v, got
		}
	}
	if rank == 0 {
		return nil, nil
	}
	return r.parse(key, value)
}

func (r *Request) parse(key, value string) ([]string, *Refusal) {
	if len(value) > maxRequest {
		return nil, r.Refuse(BadRequest, "has an annotation %q of %d bytes: write at most %d, profile names with commas between them",
			key, len(value), maxRequest)
	}
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, r.Refuse(BadRequest, "has an empty name in its annotation %q: write profile names with one comma between them", key)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// clip shortens what a pod's author wrote, so that a refusal stays one
// readable sentence.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
