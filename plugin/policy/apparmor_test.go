// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecideAppArmor(t *testing.T) {
	named := func(name, profile string) Profile { return Profile{Name: name, AppArmor: profile} }
	node := func(a AppArmor) func(*Facts) { return func(f *Facts) { f.Host.AppArmor = Is(a) } }
	annotated := func(value string) func(*Facts) {
		return func(f *Facts) {
			f.Request.Annotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/" + f.Request.Container: value}
		}
	}
	loaded, absent := AppArmor{Enabled: true, Loaded: Is(true)}, AppArmor{Enabled: true, Loaded: Is(false)}
	mounts := []Profile{{Name: "a", Capabilities: Capabilities{Add: []string{"CAP_SYS_ADMIN"}}}}
	mount := []Profile{{Name: "a", Seccomp: []SeccompRule{{Syscalls: []string{"umount2", "mount"}}}}}
	noMount := []Profile{{Name: "a", Seccomp: []SeccompRule{{Syscalls: []string{"mount"}, Errno: 1, ErrnoName: "EPERM"}}}}
	given := Adjustment{Capabilities: mounts[0].Capabilities}
	warns := []Reason{{MayConfine, "", `mounts: this node has AppArmor, and the runtime's own profile denies them: write apparmor = "nodegate-mounts" in the profile`}}
	runDecide(t, []decideCase{
		{name: "loaded", profiles: []Profile{named("a", "web")}, facts: node(loaded), want: Adjustment{AppArmor: "web"}},
		{name: "unconfined needs nothing loaded", profiles: []Profile{named("a", "unconfined")}, facts: node(absent), want: Adjustment{AppArmor: "unconfined"}},
		{name: "no AppArmor", profiles: []Profile{named("a", "web")}, facts: node(AppArmor{}),
			reasons: []Reason{{LeftOut, "a", `AppArmor profile "web": this node has no AppArmor`}}},
		{name: "no AppArmor, unconfined", profiles: []Profile{named("a", "unconfined")}, facts: node(AppArmor{}),
			reasons: []Reason{{LeftOut, "a", `AppArmor profile "unconfined": this node has no AppArmor`}}},
		{name: "not loaded", profiles: []Profile{named("a", "web")}, facts: node(absent), code: Unmet,
			refusal: `would get the AppArmor profile "web" by profile "a", which this node has not loaded: load it there with apparmor_parser -r`},
		{name: "our own, not loaded", profiles: []Profile{named("a", "nodegate-mounts")}, facts: node(absent), code: Unmet,
			refusal: `would get the AppArmor profile "nodegate-mounts" by profile "a", which this node has not loaded: run "nodegate install" on the node (the chart does, with nri.runtime.patchConfig), or "nodegate render apparmor | apparmor_parser -r"`},
		{name: "loaded or not is unknown", profiles: []Profile{named("a", "web")}, facts: node(AppArmor{Enabled: true}), code: UnknownFact,
			refusal: `would get the AppArmor profile "web" by profile "a", and it could not be told whether this node has loaded it`},
		{name: "all is unknown", profiles: []Profile{named("a", "unconfined")}, code: UnknownFact,
			refusal: `would get the AppArmor profile "unconfined" by profile "a", and it could not be told whether this node has AppArmor`},
		{name: "two that agree", profiles: []Profile{named("a", "web"), named("b", "web")}, facts: node(loaded), want: Adjustment{AppArmor: "web"}},
		{name: "two that disagree", profiles: []Profile{named("a", "web"), named("b", "unconfined")}, grants: []Grant{{Profiles: []string{"a"}, Namespaces: []string{"ci"}, Always: true}, {Profiles: []string{"b"}, Namespaces: []string{"ci"}, Always: true}}, facts: node(loaded), code: Conflict,
			refusal: `would get profiles that do not go together: profiles "a" and "b" disagree on the AppArmor profile ("web", "unconfined")`},
		{name: "mounts, and nothing said", profiles: mounts, facts: node(absent), want: given, reasons: warns},
		{name: "mounts by seccomp", profiles: mount, facts: node(absent), want: Adjustment{Seccomp: mount[0].Seccomp}, reasons: warns},
		{name: "mounts denied", profiles: noMount, facts: node(absent), want: Adjustment{Seccomp: noMount[0].Seccomp}},
		{name: "mounts, and the pod is unconfined", profiles: mounts, facts: and(node(absent), func(f *Facts) { f.Container.OwnAppArmor = true }), want: given},
		{name: "mounts, unconfined by annotation", profiles: mounts, facts: and(node(absent), annotated("unconfined")), want: given},
		{name: "mounts, the default by annotation", profiles: mounts, facts: and(node(absent), annotated("runtime/default")), want: given, reasons: warns},
		{name: "mounts, privileged", profiles: mounts, facts: and(node(absent), func(f *Facts) {
			f.Container.DeviceRules = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
		}), want: given},
		{name: "mounts without AppArmor", profiles: mounts, facts: node(AppArmor{}), want: given},
		{name: "mounts, and a profile", profiles: append(mounts, named("b", "web")), facts: node(loaded), want: Adjustment{Capabilities: given.Capabilities, AppArmor: "web"}},
	})
}

// What is not needed is not asked for.
func TestSelectionAppArmor(t *testing.T) {
	for name, c := range map[string]struct {
		profile Profile
		want    string
		needed  bool
	}{
		"nothing":   {profile: Profile{Env: map[string]string{"a": "b"}}},
		"a profile": {Profile{AppArmor: "web"}, "web", true},
		"mounts":    {Profile{Capabilities: Capabilities{Add: []string{"CAP_SYS_ADMIN"}}}, "", true},
	} {
		c.profile.Name = "a"
		p := compile(t, Source{Profiles: []Profile{c.profile}, Grants: []Grant{{Profiles: []string{"a"}, Namespaces: []string{"ci"}, Always: true}}})
		s, err := p.Select(&facts().Request)
		if err != nil {
			t.Fatal(err)
		}
		if got, needed := s.AppArmor(); got != c.want || needed != c.needed {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, needed, c.want, c.needed)
		}
	}
}

// What a profile includes counts as its own.
func TestPolicyAppArmor(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "plain"}, {Name: "mounts", Capabilities: Capabilities{Add: []string{"CAP_SYS_ADMIN"}}},
		{Name: "outer", Include: []string{"mounts"}, AppArmor: "web"}, {Name: "bare", Include: []string{"mounts"}}}})
	for profile, want := range map[string]struct {
		name    string
		matters bool
	}{"plain": {}, "none": {}, "mounts": {"", true}, "bare": {"", true}, "outer": {"web", true}} {
		if name, matters := p.AppArmor(profile); name != want.name || matters != want.matters {
			t.Errorf("%s: %q, %v", profile, name, matters)
		}
	}
}
