// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestRequested(t *testing.T) {
	const (
		bare  = "profiles.nodegate.dev"
		pod   = "profiles.nodegate.dev/pod"
		app   = "profiles.nodegate.dev/container.app"
		other = "profiles.nodegate.dev/container.other"
	)
	type annotations = map[string]string
	means := `, which means nothing: write "profiles.nodegate.dev/pod", or "profiles.nodegate.dev/container." and the container's name`
	for _, tc := range []struct {
		name    string
		have    annotations
		want    []string
		refusal string
	}{
		{name: "nothing"},
		{name: "bare", have: annotations{bare: "a"}, want: []string{"a"}},
		{name: "pod", have: annotations{pod: "a"}, want: []string{"a"}},
		{name: "container", have: annotations{app: "a"}, want: []string{"a"}},
		{name: "another container's", have: annotations{other: "a"}},
		{name: "pod before bare", have: annotations{bare: "a", pod: "b"}, want: []string{"b"}},
		{name: "container before pod and bare", have: annotations{bare: "a", pod: "b", app: "c"}, want: []string{"c"}},
		{name: "another container's does not replace", have: annotations{bare: "a", other: "c"}, want: []string{"a"}},
		{name: "an empty one replaces too", have: annotations{bare: "a", pod: "b", app: ""}},
		{name: "an empty pod's replaces the bare", have: annotations{bare: "a", pod: ""}},
		{name: "spaces alone ask for nothing", have: annotations{bare: " \t\n"}},
		{name: "trimmed", have: annotations{bare: " a ,\tb\n"}, want: []string{"a", "b"}},
		{name: "deduplicated, in the order written", have: annotations{bare: "b,a, b,a"}, want: []string{"b", "a"}},
		{name: "names keep their case", have: annotations{bare: "KVM,kvm"}, want: []string{"KVM", "kvm"}},
		{name: "a domain that starts alike", have: annotations{"profiles.nodegate.development/pod": "a", "profiles.nodegate.dev.example.com": "b"}},
		{name: "a domain that ends alike", have: annotations{"x.profiles.nodegate.dev/pod": "a"}},
		{name: "another case of the domain", have: annotations{"Profiles.nodegate.dev": "a"}},
		{name: "longest", have: annotations{bare: strings.Repeat("a", 4096)}, want: []string{strings.Repeat("a", 4096)}},

		{name: "too long", have: annotations{bare: strings.Repeat("a", 4097)},
			refusal: `has an annotation "profiles.nodegate.dev" of 4097 bytes: write at most 4096, profile names with commas between them`},
		{name: "too long in spaces", have: annotations{pod: strings.Repeat(" ", 4097)},
			refusal: `has an annotation "profiles.nodegate.dev/pod" of 4097 bytes: write at most 4096, profile names with commas between them`},
		{name: "empty name", have: annotations{bare: "a,,b"},
			refusal: `has an empty name in its annotation "profiles.nodegate.dev": write profile names with one comma between them`},
		{name: "comma at the end", have: annotations{app: "a,"},
			refusal: `has an empty name in its annotation "profiles.nodegate.dev/container.app": write profile names with one comma between them`},
		{name: "a misspelt key", have: annotations{"profiles.nodegate.dev/pods": "a"}, refusal: `has the annotation "profiles.nodegate.dev/pods"` + means},
		{name: "a key of another case", have: annotations{"profiles.nodegate.dev/Pod": "a"}, refusal: `has the annotation "profiles.nodegate.dev/Pod"` + means},
		{name: "a key without a name", have: annotations{"profiles.nodegate.dev/": "a"}, refusal: `has the annotation "profiles.nodegate.dev/"` + means},
		{name: "a key with a slash", have: annotations{"profiles.nodegate.dev/container/app": "a"}, refusal: `has the annotation "profiles.nodegate.dev/container/app"` + means},
		{name: "an odd key beside a good one", have: annotations{app: "a", "profiles.nodegate.dev/x": "a"}, refusal: `has the annotation "profiles.nodegate.dev/x"` + means},
		{name: "of several odd keys always the same", have: annotations{bare + "/d": "", bare + "/c": "", bare + "/b": "", bare + "/e": ""}, refusal: `has the annotation "profiles.nodegate.dev/b"` + means},
		{name: "a long odd key is cut", have: annotations{bare + "/" + strings.Repeat("é", 300): ""}, refusal: `has the annotation "profiles.nodegate.dev/` + strings.Repeat("é", 29) + `…"` + means},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := facts().Request
			r.Annotations = tc.have
			got, refusal := r.requested()
			checkRefusal(t, refusal, BadRequest, tc.refusal)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A pod that asks for nothing under a policy that grants nothing is left alone
// whatever its annotations are, and one with an odd key is not.
func TestRequestWithoutGrants(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "kvm"}}})
	f := facts()
	if s, err := p.Select(&f.Request); err != nil || !s.Empty() || len(s.Profiles()) != 0 {
		t.Errorf("got %v, %v", s, err)
	}
	f.Request.Annotations = map[string]string{AnnotationBare: "kvm"}
	_, refusal := decide(t, p, f)
	checkRefusal(t, refusal, NotGranted, `asks for profile "kvm", which is not granted in namespace "ci" (granted there: nothing)`)
	f.Request.Annotations = map[string]string{AnnotationBare: "../../etc/passwd"}
	_, refusal = decide(t, p, f)
	checkRefusal(t, refusal, UnknownProfile, `asks for profile "../../etc/passwd", which does not exist (granted in namespace "ci": nothing)`)
}
