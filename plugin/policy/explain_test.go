// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	drop := Capabilities{Drop: []string{"CAP_MKNOD"}}
	p := compile(t, Source{Handlers: []string{"nodegate"},
		Profiles: []Profile{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "hard", Capabilities: drop}},
		Grants: []Grant{
			{Source: "p:1", Profiles: []string{"a", "b"}, Namespaces: []string{"ci"}},
			{Source: "p:2", Profiles: []string{"a"}, Namespaces: []string{"c*"}, Always: true},
			{Source: "p:3", Profiles: []string{"b"}, Namespaces: []string{"ci"}, Pods: hasLabel{"app", "vm"}},
			{Source: "p:4", Profiles: []string{"b"}, Namespaces: []string{"ci"}, Containers: []string{"x-*"}},
			{Source: "p:5", Profiles: []string{"b"}, Namespaces: []string{"ci"}, Handlers: []string{"kata"}},
			{Source: "p:6", Profiles: []string{"b"}, Namespaces: []string{"ci"}, UserNamespace: RequiredUserNamespace},
			{Source: "p:7", Profiles: []string{"b"}, Namespaces: []string{"ci"}, UserNamespace: ForbiddenUserNamespace},
			{Source: "p:8", Profiles: []string{"c", "a"}, Namespaces: []string{"vm", "lab"}},
			{Source: "p:9", Profiles: []string{"hard", "a"}, Namespaces: []string{"ci"}, Always: true},
		}})
	for _, tc := range []struct {
		name, ask string
		change    func(*Request)
		want      string
	}{
		{"asks for one, and for what is granted elsewhere", "b, c", nil, `
p:1 a given_before: given by p:2
p:1 b gives: asked for
p:2 a gives: always
p:3 b narrowed: only to pods with labels "app=vm"
p:4 b narrowed: only to containers named "x-*"
p:5 b narrowed: only under the runtime handler "kata"
p:6 b narrowed: only to pods with a user namespace (hostUsers: false)
p:7 b given_before: given by p:1
p:8 c other_namespace: only in namespace "vm" or "lab"
p:9 hard gives: always
p:9 a given_before: given by p:2`},
		{"asks for what is not there", "nothing", nil, `
p:1 a given_before: given by p:2
p:1 b not_asked: not asked for
p:2 a gives: always
p:3 b narrowed: only to pods with labels "app=vm"
p:4 b narrowed: only to containers named "x-*"
p:5 b narrowed: only under the runtime handler "kata"
p:6 b narrowed: only to pods with a user namespace (hostUsers: false)
p:7 b not_asked: not asked for
p:9 hard gives: always
p:9 a given_before: given by p:2`},
		{"another handler gets only what takes away", "", func(r *Request) { r.Handler = "kata" }, `
p:1 a narrowed: only under the default runtime handler, "runc", "crun" or "nodegate"
p:1 b narrowed: only under the default runtime handler, "runc", "crun" or "nodegate"
p:2 a narrowed: only under the default runtime handler, "runc", "crun" or "nodegate"
p:3 b narrowed: only to pods with labels "app=vm"
p:4 b narrowed: only to containers named "x-*"
p:5 b not_asked: not asked for
p:6 b narrowed: only under the default runtime handler, "runc", "crun" or "nodegate"
p:7 b narrowed: only under the default runtime handler, "runc", "crun" or "nodegate"
p:9 hard gives: always
p:9 a narrowed: only under the default runtime handler, "runc", "crun" or "nodegate"`},
		{"nothing is granted there", "", func(r *Request) { r.Namespace = "elsewhere" }, "\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := facts().Request
			r.Annotations = map[string]string{AnnotationBare: tc.ask}
			if tc.change != nil {
				tc.change(&r)
			}
			got := "\n"
			for _, m := range p.Explain(&r) {
				got += fmt.Sprintf("%s %s %s: %s\n", m.Grant.Source, m.Profile, m.Verdict, m.Why)
			}
			if want := strings.TrimSuffix(tc.want, "\n") + "\n"; got != want {
				t.Errorf("got%swant%s", got, want)
			}
		})
	}
}

// What Explain says that a grant gives is what Select selects by it.
func TestExplainAgreesWithSelect(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func(of ...string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(string) bool { return random.IntN(2) == 0 })
	}
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	selected, refused := 0, 0
	for range 3000 {
		src := Source{Handlers: []string{"nodegate"}, Profiles: []Profile{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
		for i := range 6 {
			g := Grant{Source: fmt.Sprint(i), Profiles: append(some("a", "b"), "c"), Namespaces: []string{one("ci", "c*", "*", "vm")},
				Containers: some("app", "x*"), Handlers: some("", "kata"), Always: random.IntN(3) == 0,
				UserNamespace: UserNamespaceRule(one("any", "required", "forbidden"))}
			if random.IntN(3) == 0 {
				g.Pods = hasLabel{"app", one("web", "vm")}
			}
			src.Grants = append(src.Grants, g)
		}
		p, r := compile(t, src), facts().Request
		r.Handler = one("", "kata", "nodegate", "other")
		r.UserNamespace = Is(random.IntN(2) == 0)
		r.Annotations = map[string]string{AnnotationBare: strings.Join(some("a", "b", "c"), ",")}
		var gives, want []string
		for _, m := range p.Explain(&r) {
			if m.Verdict == Gives {
				gives = append(gives, m.Grant.Source+" "+m.Profile)
			}
		}
		s, err := p.Select(&r)
		if err != nil {
			refused++
			continue
		}
		for _, k := range s.granted {
			want = append(want, k.grant.Source+" "+k.profile.Name)
		}
		slices.Sort(want)
		slices.Sort(gives)
		if !slices.Equal(gives, want) {
			t.Fatalf("explained %q, selected %q", gives, want)
		}
		selected += len(want)
	}
	if selected < 1000 || refused < 100 {
		t.Errorf("%d selected and %d refused: too few to tell anything", selected, refused)
	}
}
