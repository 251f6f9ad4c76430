// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A pod asks by CDI's annotations for a device that no profile offers, or in a way that
// might be read as one that is. It is refused, or gets nothing.
func TestAttackCDIName(t *testing.T) {
	const key, offered = "nvidia.cdi.k8s.io/a", "nvidia.com/gpu=0"
	for name, have := range map[string]map[string]string{
		"another device":            {key: "nvidia.com/gpu=2"},
		"all of a class":            {key: "nvidia.com/gpu=all"},
		"a pattern":                 {key: "nvidia.com/gpu=*"},
		"another class":             {key: "nvidia.com/disk=0"},
		"another vendor":            {key: "evil.com/gpu=0"},
		"in capitals":               {key: "NVIDIA.com/gpu=0"},
		"with a space":              {key: " nvidia.com/gpu=0"},
		"with a line break":         {key: "nvidia.com/gpu=0\n"},
		"with zeros":                {key: "nvidia.com/gpu=00"},
		"behind an offered one":     {key: offered + ",nvidia.com/gpu=2"},
		"behind a comma":            {key: "," + offered},
		"under another key":         {key: offered, "nvidia.cdi.k8s.io/b": "nvidia.com/gpu=2"},
		"a path":                    {key: "/dev/sda"},
		"a file of CDI":             {key: "../../etc/cdi/nvidia.com/gpu=0"},
		"by a key with a path":      {"nvidia.cdi.k8s.io/../a": "nvidia.com/gpu=2"},
		"by a key that is too long": {"nvidia.cdi.k8s.io/" + strings.Repeat("x", 5000): "nvidia.com/gpu=2"},
		"by a key not accepted":     {"cdi.k8s.io/a": offered},
		"by the key in capitals":    {"NVIDIA.cdi.k8s.io/a": offered},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Request.Annotations = have
			if d, refusal := decide(t, listing(t), f); refusal == nil && len(d.Adjustment.CDIDevices) > 0 {
				t.Errorf("gets %q", d.Adjustment.CDIDevices)
			}
		})
	}
	f := facts()
	f.Request.Annotations = map[string]string{key: offered}
	if d, refusal := decide(t, listing(t), f); refusal != nil || !slices.Equal(d.Adjustment.CDIDevices, []string{offered}) {
		t.Errorf("what is offered is not given, so the tries prove nothing: %v", refusal)
	}
}

// A pod has a device by a device plugin or by CDI, and wants another one handed over to its
// user, or more of it. Only what it was given by its very numbers is handed over.
func TestAttackAdoption(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "adopt", AdoptDevices: true}},
		Grants: []Grant{{Profiles: []string{"adopt"}, Namespaces: []string{"*"}, Always: true}}})
	number := func(n int64) *int64 { return &n }
	allow := func(kind string, major, minor *int64, access string) func(*Facts) {
		return func(f *Facts) {
			f.Container.DeviceRules = append(f.Container.DeviceRules, specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: major, Minor: minor, Access: access})
		}
	}
	for name, try := range map[string]func(*Facts){
		"no rule":                   func(*Facts) {},
		"a rule for all":            allow("a", nil, nil, "rwm"),
		"a rule for the type":       allow("b", nil, nil, "rwm"),
		"a rule for the major":      allow("b", number(8), nil, "rwm"),
		"a rule for another":        allow("b", number(8), number(1), "rwm"),
		"a rule for the other type": allow("c", number(8), number(0), "rwm"),
		"a rule to make it only":    allow("b", number(8), number(0), "m"),
		"a rule that denies": func(f *Facts) {
			f.Container.DeviceRules = []specs.LinuxDeviceCgroup{{Type: "b", Major: number(8), Minor: number(0), Access: "rwm"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			f.Container.Devices = []specs.LinuxDevice{{Path: "/dev/sda", Type: "b", Major: 8, Minor: 0}}
			try(f)
			if d, refusal := decide(t, p, f); refusal == nil || refusal.Code != Unmet {
				t.Errorf("got %v, %s", refusal, dump(d.Adjustment))
			}
		})
	}
}
