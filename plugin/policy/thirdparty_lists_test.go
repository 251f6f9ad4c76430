// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// listing is a policy for pods that are annotated for CRI-O or with CDI devices.
func listing(t testing.TB) *Policy {
	return compile(t, Source{Profiles: []Profile{
		withDevices("fuse", DeviceRule{Path: "/dev/fuse", Access: "rw", Mode: Is(fuseNode.Mode)}),
		withDevices("kvm", DeviceRule{Path: "/dev/kvm", ContainerPath: "/dev/vm", Access: "r"}),
		{Name: "gpu", CDIDevices: []string{"nvidia.com/gpu=0"}},
		{Name: "gpus", CDIDevices: []string{"nvidia.com/gpu=0", "nvidia.com/gpu=1"}},
	}, Grants: []Grant{
		{Source: "1", Profiles: []string{"fuse", "kvm", "gpu", "gpus"}, Namespaces: []string{"ci"}, Accept: []ThirdParty{DevicesCRIO, DevicesCRIOOld, CDINvidia}},
		{Source: "2", Profiles: []string{"fuse"}, Namespaces: []string{"named"}},
	}})
}

func TestListedRequests(t *testing.T) {
	const crio, old, nvidia = "devices.crio.io", "io.kubernetes.cri-o.Devices", "nvidia.cdi.k8s.io/"
	type annotations = map[string]string
	many := annotations{}
	for i := range maxKeys + 1 {
		many[fmt.Sprint(nvidia, i)] = "nvidia.com/gpu=0"
	}
	for name, tc := range map[string]struct {
		have    annotations
		want    []string
		code    Code
		refusal string
	}{
		"one path":                    {have: annotations{old: "/dev/fuse"}, want: []string{"fuse"}},
		"with all that it can have":   {have: annotations{old: "/dev/kvm:/dev/vm:r"}, want: []string{"kvm"}},
		"path and access":             {have: annotations{old: "/dev/fuse:rwm"}, want: []string{"fuse"}},
		"two, one of them twice":      {have: annotations{old: "/dev/fuse,/dev/kvm:/dev/vm,/dev/fuse"}, want: []string{"fuse", "kvm"}},
		"the newer name first":        {have: annotations{old: "/dev/mem", crio: "/dev/fuse"}, want: []string{"fuse"}},
		"nothing":                     {have: annotations{old: "", nvidia + "a": ""}},
		"a name":                      {have: annotations{nvidia + "gpu": "nvidia.com/gpu=0"}, want: []string{"gpu"}},
		"all keys hold":               {have: annotations{nvidia + "a": "nvidia.com/gpu=0", nvidia + "b": "nvidia.com/gpu=1"}, want: []string{"gpus"}},
		"another tool's, unaccepted":  {have: annotations{"cdi.k8s.io/gpu": "x"}},
		"another device at that path": {have: annotations{old: "/dev/mem:/dev/fuse"}, code: NotGranted, refusal: `asks by its annotation "io.kubernetes.cri-o.Devices" for device "/dev/mem" at "/dev/fuse", which no profile offers that is granted in namespace "ci" to such annotations (offered there: /dev/fuse, /dev/vm)`},
		"another place":               {have: annotations{old: "/dev/kvm"}, code: NotGranted, refusal: `asks by its annotation "io.kubernetes.cri-o.Devices" for device "/dev/kvm", which no profile offers that is granted in namespace "ci" to such annotations (offered there: /dev/fuse, /dev/vm)`},
		"another name":                {have: annotations{nvidia + "a": "nvidia.com/gpu=all"}, code: NotGranted, refusal: `asks by its annotation "nvidia.cdi.k8s.io/a" for CDI device "nvidia.com/gpu=all", which no profile offers that is granted in namespace "ci" to such annotations (offered there: nvidia.com/gpu=0, nvidia.com/gpu=1)`},
		"no path":                     {have: annotations{old: "/dev/fuse,"}, code: BadRequest, refusal: `asks by its annotation "io.kubernetes.cri-o.Devices" for "": write paths from the root and in their shortest form, as in "/dev/fuse:/dev/fuse:rw"`},
		"a space":                     {have: annotations{old: "/dev/fuse, /dev/kvm"}, code: BadRequest, refusal: `asks by its annotation "io.kubernetes.cri-o.Devices" for " /dev/kvm": write paths from the root and in their shortest form, as in "/dev/fuse:/dev/fuse:rw"`},
		"four parts":                  {have: annotations{old: "/dev/a:/dev/b:/dev/c:rw"}, code: BadRequest, refusal: `asks by its annotation "io.kubernetes.cri-o.Devices" for "/dev/a:/dev/b:/dev/c:rw": write paths from the root and in their shortest form, as in "/dev/fuse:/dev/fuse:rw"`},
		"no name of a device":         {have: annotations{nvidia + "a": "gpu"}, code: BadRequest, refusal: `asks by its annotation "nvidia.cdi.k8s.io/a" for CDI device "gpu": write names as in "vendor.com/class=name", with commas between them`},
		"a key with a part":           {have: annotations{old + "/pod": "/dev/fuse"}, code: BadRequest, refusal: `has the annotation "io.kubernetes.cri-o.Devices/pod", which means nothing: write "io.kubernetes.cri-o.Devices"`},
		"too long":                    {have: annotations{old: strings.Repeat("x", 2000)}, code: BadRequest, refusal: `has an annotation "io.kubernetes.cri-o.Devices" of 2000 bytes: write at most 1024`},
		"too many":                    {have: many, code: BadRequest, refusal: `has 17 annotations "nvidia.cdi.k8s.io/…" of 272 bytes together: write at most 16 of 1024`},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			usualNode(f)
			f.Request.Annotations = tc.have
			p := listing(t)
			s, err := p.Select(&f.Request)
			if err != nil {
				checkRefusal(t, asRefusal(t, err), tc.code, tc.refusal)
			} else if tc.refusal != "" || !slices.Equal(s.Profiles(), tc.want) && len(s.Profiles())+len(tc.want) > 0 {
				t.Errorf("got %q, want %q", s.Profiles(), tc.want)
			}
			compact := f.Request.Compact()
			again, err2 := p.Select(&compact)
			if !slices.Equal(again.Profiles(), s.Profiles()) || (err == nil) != (err2 == nil) {
				t.Errorf("compact: %q and %v", again.Profiles(), err2)
			}
		})
	}
	r := Request{Namespace: "named", Pod: "p", Container: "app", Annotations: annotations{old: "/dev/fuse", nvidia + "b": "", nvidia + "a": "", "my.workload": ""}}
	if got, want := listing(t).Unread(&r), []string{old, nvidia + "a", nvidia + "b"}; !slices.Equal(got, want) {
		t.Errorf("unread: %q, want %q", got, want)
	}
}

// FuzzLists reads any list, and what comes of it is what is written: a path in its
// shortest form, a name that reads.
func FuzzLists(f *testing.F) {
	for _, text := range []string{"/dev/fuse", "/dev/kvm:/dev/vm:r,/dev/fuse:rwm", "nvidia.com/gpu=0,a/b=c", ",", ":::", "/dev/\xff"} {
		f.Add(text)
	}
	r := &Request{Namespace: "n", Pod: "p", Container: "c"}
	f.Fuzz(func(t *testing.T, text string) {
		from := &annotation{key: "k", value: text, rank: 1}
		if asks, refusal := r.readPaths(DevicesCRIO, from); refusal == nil {
			for _, a := range asks {
				if !isClean(a.device.Path) || !isClean(a.device.Source) || !strings.Contains(text, a.device.Source) || strings.Trim(a.device.Access, "rwm") != "" {
					t.Errorf("%q: %+v", text, a.device)
				}
			}
		}
		if asks, refusal := r.readCDI(CDI, from); refusal == nil {
			for _, a := range asks {
				if !IsCDIName(a.cdi) || !strings.Contains(text, a.cdi) || strings.ContainsAny(a.cdi, ", \n") {
					t.Errorf("%q: %q", text, a.cdi)
				}
			}
		}
	})
}
