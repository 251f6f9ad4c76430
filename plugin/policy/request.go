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

// maxList bounds the value of an annotation that is a list with commas, in bytes, and
// maxKeys how many of a kind hold together.
const (
	maxList = 1024
	maxKeys = 16
)

// maxName bounds what a refusal repeats of a name, in bytes.
const maxName = 80

// Compact returns the request with those annotations alone that can be part of
// one: what Select answers stays the same, by whatever policy, and a pod may
// carry much else.
func (r *Request) Compact() Request {
	out := *r
	out.Annotations = nil
	if !r.requestsAnything() {
		return out
	}
	keep := func(key, value string, most int) {
		if key == "" {
			return
		}
		if out.Annotations == nil {
			out.Annotations = map[string]string{}
		}
		if len(value) > most { // refused whatever else it says
			value = strings.Clone(value[:most+1])
		}
		out.Annotations[key] = value
	}
	keepOf := func(base string) {
		if ThirdParty(base).keys() == anyKeys {
			r.keepEach(ThirdParty(base), keep)
			return
		}
		found := r.find(base)
		keep(found.key, found.value, ThirdParty(base).maxValue())
		keep(found.odd, "", 0) // one is enough to be refused for
	}
	keepOf(AnnotationBare)
	keep(r.forged(), "", 0)
	for _, party := range allThirdParties {
		keepOf(string(party))
	}
	return out
}

// keepEach keeps the annotations of a kind whose keys hold all together: all of
// them, or so many that they are refused.
func (r *Request) keepEach(f ThirdParty, keep func(key, value string, most int)) {
	count, size := 0, 0
	for key, value := range r.Annotations {
		if r.rank(string(f), key) == 0 {
			continue
		}
		if count++; count > maxKeys+1 || size > f.maxValue() {
			return
		}
		size += min(len(value), f.maxValue()+1)
		keep(key, value, f.maxValue())
	}
}

// requestsAnything reports whether there is an annotation that may be part of a request, in
// one look at each: most pods have some, and none of ours.
func (r *Request) requestsAnything() bool {
	for key := range r.Annotations {
		if MayAsk(key) {
			return true
		}
	}
	return false
}

// MayAsk reports whether an annotation with this key may be part of a request.
func MayAsk(key string) bool {
	if strings.HasPrefix(key, AnnotationBare) || strings.HasPrefix(key, AnnotationResource) {
		return true
	}
	for _, party := range allThirdParties {
		if strings.HasPrefix(key, string(party)) {
			return true
		}
	}
	return false
}

// requested returns the profile names that the pod asks for on behalf of the
// container: trimmed, without duplicates, in the order written. It allocates
// nothing for a pod that asks for nothing.
func (r *Request) requested() ([]string, *Refusal) {
	found := r.find(AnnotationBare)
	if found.odd != "" {
		return nil, r.Refuse(BadRequest, clip(found.odd, maxName), "has the annotation %q, which means nothing",
			clip(found.odd, maxName)).Advise("write %q, or %q and the container's name", AnnotationPod, AnnotationContainer)
	}
	if found.rank == 0 {
		return nil, nil
	}
	return r.parse(found.key, found.value)
}

// annotation is the most specific one of a name that concerns the container;
// rank is 0 where there is none.
type annotation struct {
	key, value string
	rank       int
	odd        string // a key that only looks like one, or ""
}

// find looks for the annotations of a name: profiles.nodegate.dev, or that of
// another tool.
func (r *Request) find(base string) annotation {
	var found annotation
	for k, v := range r.Annotations {
		got := r.rank(base, k)
		switch {
		case got == meansNothing:
			if found.odd == "" || k < found.odd {
				found.odd = k
			}
		case got > found.rank:
			found.key, found.value, found.rank = k, v, got
		}
	}
	return found
}

// meansNothing is the rank of a key that looks like a request and is none.
const meansNothing = -1

// rank tells how specific a request with this key is: the higher wins, and 0
// is none that concerns the container.
func (r *Request) rank(base, key string) int {
	rest, ok := strings.CutPrefix(key, base)
	if !ok || rest != "" && rest[0] != '/' {
		return 0 // also some other domain that starts alike
	}
	name, ofContainer := strings.CutPrefix(rest, "/container.")
	switch {
	case base == string(DevicesCRIO) || base == string(DevicesCRIOOld):
		if rest == "" {
			return 1
		}
		return meansNothing
	case base == string(CDINvidia) || base == string(CDI):
		if len(rest) > 1 {
			return 1
		}
		return meansNothing
	case ofContainer && canBeName(name):
		if name == r.Container {
			return 3
		}
		return 0 // another container's
	case base == string(DevicesGKE):
		return meansNothing // it has no other form
	case rest == "/pod":
		return 2
	case rest == "":
		return 1
	}
	return meansNothing
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
		return nil, r.Refuse(BadRequest, key, "has an annotation %q of %d bytes",
			key, len(value)).Advise("write at most %d, profile names with commas between them", maxRequest)
	}
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, r.Refuse(BadRequest, key, "has an empty name in its annotation %q", key).Advise("write profile names with one comma between them")
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
