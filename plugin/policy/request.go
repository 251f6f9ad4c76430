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

// maxName bounds what a refusal repeats of a name, in bytes.
const maxName = 80

// maxAsked bounds what is kept of a request for logs, in bytes.
const maxAsked = 256

// Asked is the value of the annotation that holds for the container, as it was
// written and cut; "" where there is none.
func (r *Request) Asked() string {
	_, value, _, _ := r.annotation()
	return clip(value, maxAsked)
}

// Compact returns the request with those annotations alone that can be part of
// one: what Select answers stays the same, and a pod may carry much else.
func (r *Request) Compact() Request {
	out := *r
	out.Annotations = nil
	_, _, _, odd := r.annotation() // one is enough to be refused for
	for k, v := range r.Annotations {
		if rank := r.rank(k); rank == 0 || rank == meansNothing && k != odd {
			continue
		}
		if out.Annotations == nil {
			out.Annotations = map[string]string{}
		}
		if len(v) > maxRequest { // refused whatever else it says
			v = strings.Clone(v[:maxRequest+1])
		}
		out.Annotations[k] = v
	}
	return out
}

// requested returns the profile names that the pod asks for on behalf of the
// container: trimmed, without duplicates, in the order written. It allocates
// nothing for a pod that asks for nothing.
func (r *Request) requested() ([]string, *Refusal) {
	key, value, rank, odd := r.annotation()
	if odd != "" {
		return nil, r.Refuse(BadRequest, "has the annotation %q, which means nothing: write %q, or %q and the container's name",
			clip(odd, maxName), AnnotationPod, AnnotationContainer)
	}
	if rank == 0 {
		return nil, nil
	}
	return r.parse(key, value)
}

// annotation finds the most specific request, and a key that only looks like
// one.
func (r *Request) annotation() (key, value string, rank int, odd string) {
	for k, v := range r.Annotations {
		got := r.rank(k)
		switch {
		case got == meansNothing:
			if odd == "" || k < odd {
				odd = k
			}
		case got > rank:
			key, value, rank = k, v, got
		}
	}
	return key, value, rank, odd
}

// meansNothing is the rank of a key that looks like a request and is none.
const meansNothing = -1

// rank tells how specific a request with this key is: the higher wins, and 0
// is none that concerns the container.
func (r *Request) rank(key string) int {
	rest, ok := strings.CutPrefix(key, AnnotationBare)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return 0 // also some other domain that starts alike
	case rest == "":
		return 1
	case key == AnnotationPod:
		return 2
	case !strings.HasPrefix(key, AnnotationContainer) || !canBeName(key[len(AnnotationContainer):]):
		return meansNothing
	case key[len(AnnotationContainer):] == r.Container:
		return 3
	}
	return 0 // another container's
}

// canBeName reports whether a container can be called so: Kubernetes allows
// lower-case letters, digits and dashes.
func canBeName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
	})
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
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
