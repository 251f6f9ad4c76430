// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"testing"
)

// A grant that gives and takes away reaches a sandboxed runtime with the part
// that takes away alone: whoever chose the handler must not escape it, nor be
// handed a device by accident.
func TestMixedGrantUnderAnotherHandler(t *testing.T) {
	p := compile(t, Source{
		Profiles: []Profile{withDevices("kvm", kvmAt("", "rw")), {Name: "quiet", Capabilities: Capabilities{Drop: []string{"CAP_MKNOD"}}}},
		Grants:   []Grant{{Profiles: []string{"kvm", "quiet"}, Namespaces: []string{"ci"}, Always: true}},
	})
	r := facts().Request
	for handler, want := range map[string][]string{"": {"kvm", "quiet"}, "runc": {"kvm", "quiet"}, "kata": {"quiet"}} {
		r.Handler = handler
		s, err := p.Select(&r)
		if err != nil || !slices.Equal(s.Profiles(), want) {
			t.Errorf("handler %q: %v, %v; want %v", handler, s.Profiles(), err, want)
		}
	}
	r.Annotations = map[string]string{AnnotationPod: "kvm"}
	r.Handler = "kata"
	if _, err := p.Select(&r); err == nil {
		t.Error("kvm was given under kata on request")
	} else {
		t.Log(err)
	}
}
