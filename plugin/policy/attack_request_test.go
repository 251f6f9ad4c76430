// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A pod asks for a profile that is granted to another namespace, in every spelling and
// under every name. It may have "kvm" and wants "disk".
func TestAttackAskForWhatIsAnothers(t *testing.T) {
	p := compile(t, Source{ShadowDir: "/s", Profiles: []Profile{
		{Name: "kvm", Env: map[string]string{"KVM": "1"}}, {Name: "disk", Env: map[string]string{"DISK": "1"}}},
		Grants: []Grant{
			{Source: "1", Profiles: []string{"kvm"}, Namespaces: []string{"ci"}},
			{Source: "2", Profiles: []string{"disk"}, Namespaces: []string{"storage", "vault-*"}},
		}})
	value := func(v string) func(*Request) {
		return func(r *Request) { r.Annotations = map[string]string{AnnotationPod: v} }
	}
	key := func(k string) func(*Request) {
		return func(r *Request) { r.Annotations = map[string]string{k: "disk"} }
	}
	namespace := func(n string) func(*Request) {
		return func(r *Request) { r.Namespace, r.Annotations = n, map[string]string{AnnotationPod: "disk"} }
	}
	for name, try := range map[string]func(*Request){
		"plainly":                    value("disk"),
		"after one that is granted":  value("kvm,disk"),
		"with a no-break space":      value("kvm\u00a0disk"),
		"behind a zero byte":         value("kvm\x00disk"),
		"on a second line":           value("kvm\ndisk"),
		"as a JSON list":             value(`["disk"]`),
		"as a YAML list":             value("- disk"),
		"by a glob":                  value("d*"),
		"with its namespace":         value("storage/disk"),
		"by a look-alike letter":     value("d\u0456sk"),
		"in a comment":               value("kvm #,disk"),
		"through a path":             value("kvm/../disk"),
		"as full-width letters":      value("ｄｉｓｋ"),
		"by the 4,000th name":        value(strings.Repeat("kvm,", 1000) + "disk"),
		"for the container":          key(AnnotationContainer + "app"),
		"without /pod":               key(AnnotationBare),
		"by a key in capitals":       key("PROFILES.NODEGATE.DEV/POD"),
		"by a key with a space":      key(AnnotationPod + " "),
		"by a key with a zero byte":  key(AnnotationPod + "\x00"),
		"by a key with two slashes":  key(AnnotationBare + "//pod"),
		"by a key of another domain": key("x/" + AnnotationPod),
		"by a look-alike domain":     key("profiles.n\u043edegate.dev/pod"),
		"as the device plugin does":  key("resource.nodegate.dev/disk"),
		"by the record's key":        key("nodegate.dev/nonce"),
		"by a label of the namespace": func(r *Request) {
			value("disk")(r)
			r.Labels = map[string]string{"kubernetes.io/metadata.name": "storage"}
		},
		"by the pod's name":             func(r *Request) { value("disk")(r); r.Pod = "storage/web" },
		"from a namespace with a space": namespace("storage "),
		"with a line break":             namespace("storage\n"),
		"with a zero byte":              namespace("storage\x00"),
		"in another case":               namespace("Storage"),
		"from its beginning":            namespace("storag"),
		"from one that begins so":       namespace("storage-2"),
		"from a path to it":             namespace("ci/../storage"),
		"from a look-alike":             namespace("st\u043erage"),
		"from none":                     namespace(""),
		"from the glob":                 namespace("vault"),
		"from before the glob":          namespace("x-vault-1"),
		"from the glob in another case": namespace("VAULT-1"),
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			try(&f.Request)
			s, err := p.Select(&f.Request)
			if err == nil {
				var d Decision
				d, err = p.Decide(s, f)
				if slices.Contains(d.Profiles, "disk") || d.Adjustment.Env["DISK"] != "" {
					t.Errorf("got %q: %s", d.Profiles, dump(d.Adjustment))
				}
			}
			if refusal := (*Refusal)(nil); err != nil && !errors.As(err, &refusal) {
				t.Errorf("no refusal: %v", err)
			}
		})
	}
	// The same is given where it is granted, else the above shows nothing.
	f := facts()
	namespace("vault-1")(&f.Request)
	if d, refusal := decide(t, p, f); refusal != nil || !slices.Equal(d.Profiles, []string{"disk"}) {
		t.Errorf("where it is granted: %q, %v", d.Profiles, refusal)
	}
}
