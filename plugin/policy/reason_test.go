// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A container that is refused learns of everything that is in the way, each with its
// code: the author would otherwise come back as often as there are reasons.
func TestEveryReasonAtOnce(t *testing.T) {
	p := compile(t, Source{
		Profiles: []Profile{
			{Name: "fuse"}, {Name: "kvm"},
			{Name: "box", Requires: Requires{UserNamespace: true}, Devices: []DeviceRule{{Path: "/dev/none", Access: "rw"}, {Path: "/dev/odd", Access: "rw"}},
				Env: map[string]string{"a": "1"}},
		},
		Grants: []Grant{{Source: "1", Profiles: []string{"box", "fuse"}, Namespaces: []string{"ci"}},
			{Source: "2", Profiles: []string{"kvm"}, Namespaces: []string{"ci"}, Containers: []string{"vm"}}},
	})
	f := facts()
	f.Request.UserNamespace = Is(false)
	f.Request.Annotations = map[string]string{AnnotationPod: "box, fuze, kvm"}
	sel, wrong := p.Select(&f.Request)
	if !sel.Empty() {
		t.Error("a refusal came with a selection")
	}
	f.Host.Devices = map[DeviceSelector]DeviceLookup{{Path: "/dev/odd"}: {Err: errors.New("it is a directory")}}
	_, err := p.Decide(Rest(wrong), f)
	wrong = Together(wrong, err)
	want := refusalStart + `asks for profile "fuze", which does not exist (granted in namespace "ci": box, fuse): did you mean "fuse"? [unknown_profile]` +
		`; and asks for profile "kvm", which is granted in namespace "ci" only to containers named "vm" (also granted there: box, fuse) [not_granted]` +
		`; and would get profile "box", which requires a user namespace: set hostUsers: false in the pod's spec [unmet]` +
		`; and would get profile "box", but this node has no device "/dev/none" [no_device]`
	if wrong.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", wrong, want)
	}
	if got := Reasons(wrong); refusalStart+got != want {
		t.Errorf("without who it is: %s", got)
	}
	if partial := Partial(wrong); len(partial.Env) != 0 {
		t.Error("what Select refuses came with an adjustment")
	}
	if partial := Partial(err); partial.Env["a"] != "1" {
		t.Errorf("what Decide came to: %v", partial)
	}
}

func TestTogether(t *testing.T) {
	r := &Request{Namespace: "a", Pod: "b", Container: "c"}
	one, two := r.Refuse(Unmet, "a", "would get one"), r.Refuse(NoDevice, "/dev/b", "would get two").Advise("load it")
	both := Together(one, two)
	for name, err := range map[string]error{"twice": Together(both, one), "again": Together(both, both)} {
		if err.Error() != both.Error() {
			t.Errorf("%s: %s", name, err)
		}
	}
	want := []Cause{{Code: NoDevice, Subject: "/dev/b", Text: "would get two: load it", Remedy: "load it"}}
	if got := (*Refusal)(nil); !errors.As(both, &got) || got.Subject != "a" || got.Remedy != "" || !slices.Equal(got.Also, want) {
		t.Errorf("its fields are %+v", got)
	}
	if Together(nil, nil) != nil || !errors.Is(Together(one, nil), one) || !errors.Is(Together(nil, two), two) || len(one.Also) > 0 {
		t.Error("of one, there is one")
	}
	var long error
	for i := range 100 {
		long = Together(long, r.Refuse(NoDevice, "", "would get %d%s", i, strings.Repeat("x", 50)))
	}
	if text := long.Error(); len(text) > maxSentence+50 || !strings.HasSuffix(text, " more, see nodegate explain") {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"fuse", "kvm", "ping", "no-mknod", "nested"}
	for name, want := range map[string]string{"fuze": "fuse", "fues": "fuse", "fuse2": "fuse", "pingg": "ping", "nomknod": "no-mknod", "netsed": "nested",
		"Fuse": "fuse", "no-mknods": "no-mknod", "kv": "", "q": "", "": "", "gpu": "", "systemd": ""} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestNearMiss(t *testing.T) {
	for key, want := range map[string]string{
		"profile.nodegate.dev":                "profiles.nodegate.dev",
		"profiles.nodegate.io":                "profiles.nodegate.dev",
		"profiles.nodgate.dev/pod":            "profiles.nodegate.dev/pod",
		"proflies.nodegate.dev/container.app": "profiles.nodegate.dev/container.app",
		"profiles.nodegate.com/contaner.app":  "profiles.nodegate.dev",
		"PROFILE.NODEGATE.DEV":                "profiles.nodegate.dev",
		"nodegate.dev/profiles":               "profiles.nodegate.dev",
		"nodegate.dev/fuse":                   "profiles.nodegate.dev",
		"nodegate.io/profile":                 "profiles.nodegate.dev",
		"profiles.nodegate.dev":               "",
		"profiles.nodegate.dev/pod":           "",
		"profiles.nodegate.dev/contaner.app":  "", // is refused
		"resource.nodegate.dev/kvm":           "",
		"nodegate.dev/nonce":                  "",
		"nodegate.example.com/owner":          "",
		"profiles.grafana.com/cpu.scrape":     "",
		"prometheus.io/scrape":                "",
		"kubectl.kubernetes.io/restartedAt":   "",
	} {
		r := Request{Annotations: map[string]string{key: "fuse", "other": ""}}
		if got, meant := r.NearMiss(); meant != want || (got == fmt.Sprintf("annotation %q", key)) != (want != "") {
			t.Errorf("%s: %q, %q, want %q", key, got, meant, want)
		}
	}
	for key, want := range map[string]string{AnnotationBare: `label "profiles.nodegate.dev"`, AnnotationPod: `label "profiles.nodegate.dev/pod"`, "nodegate.dev/profile": ""} {
		r := Request{Labels: map[string]string{key: "fuse"}}
		if got, meant := r.NearMiss(); got != want || (meant != "") != (want != "") {
			t.Errorf("label %s: %q, %q", key, got, meant)
		}
	}
	r := Request{Annotations: map[string]string{}}
	for i := range 20 {
		r.Annotations[fmt.Sprintf("example.com/%d", i)] = "x"
	}
	if n := testing.AllocsPerRun(100, func() { r.NearMiss() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEdits holds the distance to what a distance is.
func FuzzEdits(f *testing.F) {
	f.Add("profiles.nodegate.dev", "profile.nodegate.io")
	f.Add("", "\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		n := edits(a, b, 4)
		if n < 0 || n > 4 || n != edits(b, a, 4) || (n == 0) != (a == b) && len(a) <= maxNear {
			t.Errorf("%q, %q: %d and %d", a, b, n, edits(b, a, 4))
		}
	})
}

// A denial does not hold a privileged container, and the decision says so; one that was
// given devices by number is none.
func TestPrivilegedIsBeyondADenial(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "drop", Capabilities: Capabilities{Drop: []string{"CAP_MKNOD"}}}, {Name: "set", Env: map[string]string{"a": "1"}}},
		Grants: []Grant{{Source: "1", Profiles: []string{"drop", "set"}, Namespaces: []string{"ci"}, Always: true}}})
	one := int64(1)
	for name, tc := range map[string]struct {
		rule specs.LinuxDeviceCgroup
		want int
	}{
		"every device":         {specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}, 1},
		"every device, by a":   {specs.LinuxDeviceCgroup{Allow: true, Type: "a", Access: "rwm"}, 1},
		"denied":               {specs.LinuxDeviceCgroup{Access: "rwm"}, 0},
		"one":                  {specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &one, Minor: &one, Access: "rwm"}, 0},
		"to make nodes, c *:*": {specs.LinuxDeviceCgroup{Allow: true, Type: "c", Access: "m"}, 0},
	} {
		f := facts()
		f.Container.DeviceRules = []specs.LinuxDeviceCgroup{tc.rule}
		d, refusal := decide(t, p, f)
		checkRefusal(t, refusal, "", "")
		got := 0
		for _, r := range d.Reasons {
			if r.Code == Beyond && r.Profile == "drop" {
				got++
			}
		}
		if got != tc.want {
			t.Errorf("%s: %d reasons, want %d", name, got, tc.want)
		}
	}
}
