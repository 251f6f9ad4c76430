// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// decideCase is one row of a table: profiles, the facts, and all that must
// come out. Without grants, one grant gives all profiles in namespace "ci":
// always, or on request if the pod asks for something.
type decideCase struct {
	name     string
	profiles []Profile
	grants   []Grant
	ask      string       // the pod's request
	facts    func(*Facts) // changes the facts of facts()

	want    Adjustment
	reasons []Reason // beside those of the grants, unless grants are given
	code    Code     // of a refusal
	refusal string   // what follows `nodegate: container "app" of pod ci/web-1 `
}

func runDecide(t *testing.T, cases []decideCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p := compile(t, Source{Handlers: []string{"nodegate"}, ShadowDir: "/dev/.udev/nodegate",
				Profiles: tc.profiles, Grants: tc.grantsOrOne()})
			f := facts()
			if tc.ask != "" {
				f.Request.Annotations = map[string]string{AnnotationBare: tc.ask}
			}
			if tc.facts != nil {
				tc.facts(f)
			}
			d, refusal := decide(t, p, f)
			checkRefusal(t, refusal, tc.code, tc.refusal)
			if tc.refusal != "" {
				return
			}
			if !reflect.DeepEqual(d.Adjustment, tc.want) {
				t.Errorf("adjustment:\n got %s\nwant %s", dump(d.Adjustment), dump(tc.want))
			}
			want := tc.reasons
			if tc.grants == nil {
				want = append(tc.grantReasons(), want...)
			}
			if !reflect.DeepEqual(d.Reasons, want) {
				t.Errorf("reasons:\n got %q\nwant %q", d.Reasons, want)
			}
		})
	}
}

func (tc *decideCase) grantsOrOne() []Grant {
	if tc.grants != nil {
		return tc.grants
	}
	g := Grant{Source: "p.toml:1", Namespaces: []string{"ci"}, Always: tc.ask == ""}
	for _, p := range tc.profiles {
		g.Profiles = append(g.Profiles, p.Name)
	}
	return []Grant{g}
}

func (tc *decideCase) grantReasons() []Reason {
	how, names := "always", tc.grantsOrOne()[0].Profiles
	if tc.ask != "" {
		how = "on request"
		names, _ = (&Request{Annotations: map[string]string{AnnotationBare: tc.ask}}).requested()
	}
	var reasons []Reason
	for _, name := range names {
		reasons = append(reasons, Reason{Granted, name, "granted " + how + " by p.toml:1"})
	}
	return reasons
}

// facts describes an ordinary container of a pod without a user namespace.
func facts() *Facts {
	return &Facts{
		Request: Request{Namespace: "ci", Pod: "web-1", Container: "app", UserNamespace: Is(false)},
		Container: Container{ID: "c0ffee", CgroupsPath: "/k8s.io/c0ffee", User: Is(User{UID: 1000, GID: 2000}),
			HostNamespaces: Is([]specs.LinuxNamespaceType{}), PIDNamespace: Is(OwnPID)},
		Host:           Host{Cgroup: Is(Cgroup{Version: CgroupV2, Mount: "/sys/fs/cgroup"})},
		TellingRuntime: "use containerd 2.3 or later",
	}
}

// inUserNamespace moves a pod into a user namespace of 65,536 ids from 100000.
func inUserNamespace(f *Facts) {
	f.Request.UserNamespace = Is(true)
	f.Host.UIDMap = idMap(extent(0, 100000, 65536))
	f.Host.GIDMap = idMap(extent(0, 200000, 65536))
}

func extent(container, host, size uint32) specs.LinuxIDMapping {
	return specs.LinuxIDMapping{ContainerID: container, HostID: host, Size: size}
}

func idMap(extents ...specs.LinuxIDMapping) Known[[]specs.LinuxIDMapping] { return Is(extents) }

func compile(t testing.TB, src Source) *Policy {
	t.Helper()
	src.Wrapper = "nodegate-runc"
	p, err := New(src)
	if err != nil {
		t.Fatalf("policy: %v", err)
	}
	return p
}

// decide takes both steps, as a surface does.
func decide(t testing.TB, p *Policy, f *Facts) (Decision, *Refusal) {
	t.Helper()
	s, err := p.Select(&f.Request)
	if err != nil {
		return Decision{}, asRefusal(t, err)
	}
	d, err := p.Decide(s, f)
	if err != nil {
		if !reflect.DeepEqual(d, Decision{}) {
			t.Errorf("a refusal came with a decision: %s", dump(d))
		}
		return Decision{}, asRefusal(t, err)
	}
	return d, nil
}

func asRefusal(t testing.TB, err error) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r == nil {
		t.Fatalf("%T is no refusal: %v", err, err)
	}
	return r
}

const refusalStart = `nodegate: container "app" of pod ci/web-1 `

func checkRefusal(t testing.TB, got *Refusal, code Code, text string) {
	t.Helper()
	switch {
	case got == nil && text != "":
		t.Fatalf("no refusal; want %s: %s", code, text)
	case got != nil && text == "":
		t.Fatalf("refused: %s: %s", got.Code, got.Text)
	case got != nil && (got.Code != code || got.Text != refusalStart+text):
		t.Fatalf("refusal:\n got %s: %s\nwant %s: %s", got.Code, got.Text, code, refusalStart+text)
	}
}

// hasLabel selects pods by one label.
type hasLabel struct{ key, value string }

func (s hasLabel) Matches(labels map[string]string) bool {
	v, ok := labels[s.key]
	return ok && v == s.value
}
func (s hasLabel) String() string                      { return s.key + "=" + s.value }
func (s hasLabel) Label() (key, value string, ok bool) { return s.key, s.value, true }

func (s hasLabel) Keys() []string { return []string{s.key} }

// lacksLabel selects pods without a label; no label can be an index for it.
type lacksLabel string

func (s lacksLabel) Matches(labels map[string]string) bool { _, ok := labels[string(s)]; return !ok }
func (s lacksLabel) String() string                        { return "!" + string(s) }
func (s lacksLabel) Label() (key, value string, ok bool)   { return "", "", false }

func (s lacksLabel) Keys() []string { return []string{string(s)} }

func dump(v any) string {
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func ptr[T any](v T) *T { return &v }
