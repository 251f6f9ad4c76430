// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestSampleSentence(t *testing.T) {
	p := compile(t, Source{
		Profiles: []Profile{{Name: "kvm"}, {Name: "fuse"}, {Name: "ping"}},
		Grants: []Grant{{Profiles: []string{"ping", "fuse"}, Namespaces: []string{"ci"}},
			{Profiles: []string{"kvm"}, Namespaces: []string{"vm"}}},
	})
	_, err := p.Select(&Request{Namespace: "ci", Pod: "kaniko-1", Container: "build",
		Annotations: map[string]string{AnnotationPod: "kvm"}})
	const want = `nodegate: container "build" of pod ci/kaniko-1 asks for profile "kvm", which is not granted in namespace "ci" (granted there: fuse, ping) [not_granted]`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestNamespaces(t *testing.T) {
	for pattern, tries := range map[string]map[string]bool{
		"iot":       {"iot": true, "iot-": false, "a-iot": false, "": false, "IOT": false},
		"iot-*":     {"iot-": true, "iot-gw": true, "iot": false, "aiot-x": false},
		"*-prod":    {"a-prod": true, "-prod": true, "prod": false, "a-prod-b": false},
		"a*z":       {"az": true, "abcz": true, "a": false, "z": false},
		"ab*ba":     {"abba": true, "aba": false, "abxba": true},
		"*mid*":     {"mid": true, "amidb": true, "mi-d": false},
		"team-?":    {"team-1": true, "team-": false, "team-12": false},
		"team-[ab]": {"team-a": true, "team-b": true, "team-c": false, "team-[ab]": false},
		"[^k]*":     {"kube-system": false, "ci": true, "": false},
		"[a-c]x*y":  {"axy": true, "bxzzy": true, "dxy": false},
		`a\*`:       {"a*": true, "ab": false, `a\*`: false},
		"*":         {"": true, "ci": true, "kube-system": true},
		"?":         {"a": true, "": false, "ab": false},
	} {
		p := compile(t, Source{Profiles: []Profile{{Name: "x"}},
			Grants: []Grant{{Profiles: []string{"x"}, Namespaces: []string{"other", pattern}, Always: true}}})
		for ns, want := range tries {
			s, err := p.Select(&Request{Namespace: ns})
			if got := !s.Empty(); err != nil || got != want {
				t.Errorf("pattern %q, namespace %q: got %v, %v", pattern, ns, got, err)
			}
		}
	}
}

// The index is only a shortcut: it must find what trying every glob finds.
func TestIndexAgreesWithGlobs(t *testing.T) {
	alphabet := []string{"a", "b", "*", "?", "[ab]", "[^a]", `\a`}
	var patterns []string
	for _, x := range alphabet {
		for _, y := range alphabet {
			for _, z := range alphabet {
				patterns = append(patterns, x, x+y, x+y+z)
			}
		}
	}
	var src Source
	for i, pattern := range patterns {
		name := fmt.Sprint(i)
		src.Profiles = append(src.Profiles, Profile{Name: name})
		src.Grants = append(src.Grants, Grant{Profiles: []string{name}, Namespaces: []string{pattern}, Always: true})
	}
	p := compile(t, src)
	for _, ns := range []string{"", "a", "b", "c", "ab", "ba", "aa", "abc", "cab", "bab", "abab", "abcd"} {
		var want []string
		for i, pattern := range patterns {
			if matchGlob(pattern, ns) {
				want = append(want, fmt.Sprint(i))
			}
		}
		s, err := p.Select(&Request{Namespace: ns})
		if got := s.Profiles(); err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("namespace %q: got %q, %v\nwant %q", ns, got, err, want)
		}
	}
}

func TestNarrowing(t *testing.T) {
	type m = map[string]string
	gw := hasLabel{"app", "gw"}
	grant := func(g Grant) []Grant {
		g.Profiles, g.Namespaces = []string{"kvm"}, []string{"ci"}
		return []Grant{g}
	}
	only := func(what string) string {
		return `asks for profile "kvm", which is granted in namespace "ci" only ` + what
	}
	for _, tc := range []struct {
		name    string
		grants  []Grant
		change  func(*Request)
		refusal string
	}{
		{name: "no narrowing", grants: grant(Grant{})},
		{name: "labels fit", grants: grant(Grant{Pods: gw}), change: func(r *Request) { r.Labels = m{"app": "gw", "x": "y"} }},
		{name: "labels differ", grants: grant(Grant{Pods: gw}), change: func(r *Request) { r.Labels = m{"app": "web"} }, refusal: only(`to pods with labels "app=gw"`)},
		{name: "no labels", grants: grant(Grant{Pods: gw}), refusal: only(`to pods with labels "app=gw"`)},
		{name: "a selector without a label to index fits", grants: grant(Grant{Pods: lacksLabel("x")})},
		{name: "and does not", grants: grant(Grant{Pods: lacksLabel("x")}), change: func(r *Request) { r.Labels = m{"x": ""} }, refusal: only(`to pods with labels "!x"`)},
		{name: "container fits", grants: grant(Grant{Containers: []string{"x", "a*"}})},
		{name: "container differs", grants: grant(Grant{Containers: []string{"x", "y*", "z"}}), refusal: only(`to containers named "x", "y*" or "z"`)},
		{name: "default handler", grants: grant(Grant{}), change: func(r *Request) { r.Handler = "" }},
		{name: "runc", grants: grant(Grant{}), change: func(r *Request) { r.Handler = "runc" }},
		{name: "crun", grants: grant(Grant{}), change: func(r *Request) { r.Handler = "crun" }},
		{name: "the wrapper's handler", grants: grant(Grant{}), change: func(r *Request) { r.Handler = "nodegate" }},
		{name: "a sandboxed runtime", grants: grant(Grant{}), change: func(r *Request) { r.Handler = "kata" }, refusal: only(`under the default runtime handler, "runc", "crun" or "nodegate"`)},
		{name: "written handler fits", grants: grant(Grant{Handlers: []string{"kata"}}), change: func(r *Request) { r.Handler = "kata" }},
		{name: "written handlers replace the default", grants: grant(Grant{Handlers: []string{"kata"}}), refusal: only(`under the runtime handler "kata"`)},
		{name: "the default alone", grants: grant(Grant{Handlers: []string{""}}), change: func(r *Request) { r.Handler = "runc" }, refusal: only(`under the default runtime handler`)},
		{name: "user namespace required", grants: grant(Grant{UserNamespace: RequiredUserNamespace}), change: func(r *Request) { r.UserNamespace = Is(true) }},
		{name: "and missing", grants: grant(Grant{UserNamespace: RequiredUserNamespace}), refusal: only(`to pods with a user namespace (hostUsers: false)`)},
		{name: "user namespace forbidden", grants: grant(Grant{UserNamespace: ForbiddenUserNamespace})},
		{name: "and there", grants: grant(Grant{UserNamespace: ForbiddenUserNamespace}), change: func(r *Request) { r.UserNamespace = Is(true) }, refusal: only(`to pods without a user namespace`)},
		{name: "user namespace unknown", grants: grant(Grant{UserNamespace: ForbiddenUserNamespace}), change: func(r *Request) { r.UserNamespace = Known[bool]{} },
			refusal: `asks for profile "kvm", which is granted in namespace "ci" depending on the pod's user namespace, which the runtime does not tell`},
		{name: "user namespace does not matter", grants: grant(Grant{UserNamespace: AnyUserNamespace}), change: func(r *Request) { r.UserNamespace = Known[bool]{} }},
		{name: "one of two grants fits", grants: append(grant(Grant{Pods: gw}), grant(Grant{Containers: []string{"app"}})...)},
		{name: "neither fits, with other profiles about",
			grants:  append(append(grant(Grant{Pods: gw}), grant(Grant{Containers: []string{"x"}})...), Grant{Profiles: []string{"fuse", "ping"}, Namespaces: []string{"*"}}),
			refusal: only(`to pods with labels "app=gw", or only to containers named "x" (also granted there: fuse, ping)`)},
		{name: "two near misses alike are told once", grants: append(grant(Grant{Pods: gw}), grant(Grant{Pods: gw})...), refusal: only(`to pods with labels "app=gw"`)},
		{name: "an always grant that does not fit", grants: grant(Grant{Always: true, Containers: []string{"x"}}), refusal: only(`to containers named "x"`)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := compile(t, Source{Handlers: []string{"nodegate"},
				Profiles: []Profile{{Name: "kvm"}, {Name: "fuse"}, {Name: "ping"}}, Grants: tc.grants})
			f := facts()
			f.Request.Annotations = m{AnnotationBare: "kvm"}
			if tc.change != nil {
				tc.change(&f.Request)
			}
			s, err := p.Select(&f.Request)
			if err != nil {
				checkRefusal(t, asRefusal(t, err), NotGranted, tc.refusal)
				return
			}
			checkRefusal(t, nil, "", tc.refusal)
			if got := s.Profiles(); !reflect.DeepEqual(got, []string{"kvm"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestAlwaysNeedsKnownUserNamespace(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "kvm"}},
		Grants: []Grant{{Profiles: []string{"kvm"}, Namespaces: []string{"ci"}, Always: true, UserNamespace: RequiredUserNamespace}}})
	f := facts()
	f.Request.UserNamespace = Known[bool]{}
	_, refusal := decide(t, p, f)
	checkRefusal(t, refusal, UnknownFact, `falls under a grant that depends on the pod's user namespace, which the runtime does not tell`)
}

// A sentence must fit an event, which holds 1,024 bytes.
func TestLongRefusal(t *testing.T) {
	var src Source
	long := strings.Repeat("n", 60)
	for i := range 500 {
		name := fmt.Sprintf("p%03d", i)
		src.Profiles = append(src.Profiles, Profile{Name: name})
		src.Grants = append(src.Grants, Grant{Profiles: []string{name}, Namespaces: []string{"ci"}},
			Grant{Profiles: []string{"p000"}, Namespaces: []string{"c*"}, Pods: hasLabel{"app", long + name}})
		src.Grants[0].Containers = []string{"x"}
	}
	p := compile(t, src)
	for _, ask := range []string{"q", "p000", strings.Repeat("é", 2000)} {
		f := facts()
		f.Request.Annotations = map[string]string{AnnotationBare: ask}
		_, refusal := decide(t, p, f)
		if refusal == nil || len(refusal.Text) > 1000 {
			t.Errorf("asked for %.20q: got %v", ask, refusal)
		}
	}
	f := facts()
	f.Request.Annotations = map[string]string{AnnotationBare: "q"}
	_, refusal := decide(t, p, f)
	checkRefusal(t, refusal, UnknownProfile, `asks for profile "q", which does not exist (granted in namespace "ci": p001, p002, p003, p004, p005, p006, p007, p008, p009, p010, p011, p012, p013, p014, p015, p016, p017, p018, p019, p020 and 479 more)`)
}

// Grants apply in the order of the policy, whatever finds them: labels are a
// map, which Go walks in any order.
func TestOrder(t *testing.T) {
	type m = map[string]string
	var src Source
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		src.Profiles = append(src.Profiles, Profile{Name: name})
	}
	src.Grants = []Grant{
		{Source: "1", Profiles: []string{"e"}, Namespaces: []string{"*"}, Pods: hasLabel{"k", "1"}, Always: true},
		{Source: "2", Profiles: []string{"d", "c"}, Namespaces: []string{"ci", "c*"}, Pods: hasLabel{"k2", "1"}, Always: true},
		{Source: "3", Profiles: []string{"c", "b"}, Namespaces: []string{"ci"}, Pods: hasLabel{"k3", "1"}, Always: true},
		{Source: "4", Profiles: []string{"b", "a"}, Namespaces: []string{"*i"}, Always: true},
	}
	p := compile(t, src)
	f := facts()
	f.Request.Labels = m{"k": "1", "k2": "1", "k3": "1", "x": "y", "z": "z"}
	f.Request.Annotations = m{AnnotationBare: "c"}
	want := []Reason{
		{Granted, "e", "granted always by 1"}, {Granted, "d", "granted always by 2"},
		{Granted, "c", "granted on request by 2"}, {Granted, "b", "granted always by 3"},
		{Granted, "a", "granted always by 4"},
	}
	for range 100 {
		d, refusal := decide(t, p, f)
		checkRefusal(t, refusal, "", "")
		if !reflect.DeepEqual(d.Reasons, want) || strings.Join(d.Profiles, "") != "edcba" {
			t.Fatalf("got %q %v\nwant %q", d.Profiles, d.Reasons, want)
		}
	}
}

// A request takes the first grant of the policy that fits.
func TestRequestTakesTheFirstGrant(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "a"}}, Grants: []Grant{
		{Source: "1", Profiles: []string{"a"}, Namespaces: []string{"*"}, Containers: []string{"x"}},
		{Source: "2", Profiles: []string{"a"}, Namespaces: []string{"*i"}},
		{Source: "3", Profiles: []string{"a"}, Namespaces: []string{"ci"}},
	}})
	f := facts()
	f.Request.Annotations = map[string]string{AnnotationBare: "a"}
	d, refusal := decide(t, p, f)
	checkRefusal(t, refusal, "", "")
	if want := []Reason{{Granted, "a", "granted on request by 2"}}; !reflect.DeepEqual(d.Reasons, want) {
		t.Errorf("got %v", d.Reasons)
	}
}

func TestAccessors(t *testing.T) {
	p := compile(t, Source{Audit: true, Handlers: []string{"nodegate", "ng2"}})
	if !p.Audit() || compile(t, Source{}).Audit() {
		t.Error("Audit is not what the policy says")
	}
	if !p.Wrapped("ng2") || p.Wrapped("runc") || p.Wrapped("") {
		t.Error("Wrapped is not what the policy says")
	}
	p.Handlers()[0] = "changed"
	if got := p.Handlers(); !reflect.DeepEqual(got, []string{"nodegate", "ng2"}) {
		t.Errorf("Handlers: %q", got)
	}
}
