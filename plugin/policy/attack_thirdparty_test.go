// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// Another tool's annotation spells a path in an odd way to get another device than the
// offered one. It is refused.
func TestAttackForeignPath(t *testing.T) {
	p := migrating(t)
	for _, evil := range []string{
		"", ".", "/", "//", "dev/fuse", "./dev/fuse", "/dev", "/dev/",
		"/dev/fuse/", "//dev/fuse", "/dev//fuse", "/dev/./fuse", "/dev/../dev/fuse", "/dev/fuse/.", "/dev/fuse/../kvm", "/dev/../dev/kvm",
		"/dev/fuse\x00", "/dev/fuse\x00/dev/kvm", "/dev/fuse\n", " /dev/fuse", "/dev/fuse ", "/DEV/FUSE", "/dev/fus\u0435", "/dev/\u202efuse", "/dev/\uff46use", "\ufeff/dev/fuse", "\u2215dev\u2215fuse",
		"/dev/*", "/dev/fus?", "/dev/[f]use", `/dev/\fuse`, "/dev/ttyUSB*", "/dev/ttyUSB[0]", "/dev/ttyUSB0", "/dev/{fuse,kvm}", "*", "/**",
		"/proc/self/root/dev/kvm", "/dev/kvm", "/dev/sda", "/dev/mem", "/dev/fuse,/dev/kvm", "%2fdev%2ffuse", "~/dev/fuse", "file:///dev/fuse",
		strings.Repeat("/dev/fuse", 60), strings.Repeat("\u202e", 300), "/\xff\xfe",
	} {
		t.Run(fmt.Sprintf("%.40q", evil), func(t *testing.T) {
			for _, key := range []string{"devices.nri.io", "devices.noderesource.dev/pod", "devices.gke.io/container.app"} {
				if strings.HasPrefix(key, "devices.gke") && evil == "/dev/kvm" {
					continue // offered there
				}
				f := facts()
				usualNode(f)
				f.Request.Annotations = map[string]string{key: paths("/dev/fuse", evil)}
				d, refusal := decide(t, p, f)
				if refusal == nil {
					t.Errorf("%s: %q gives %s", key, evil, dump(d.Adjustment))
					continue
				}
				if strings.ContainsFunc(refusal.Text, func(r rune) bool { return r < ' ' || r == '\u202e' }) || len(refusal.Text) > 1024 {
					t.Errorf("%d bytes: %q", len(refusal.Text), refusal.Text)
				}
			}
		})
	}
}

// Another tool's annotation lists a mode, an owner or numbers of a device. The container
// gets what the profile gives, or is refused.
func TestAttackForeignDetails(t *testing.T) {
	p := migrating(t)
	f := facts()
	usualNode(f)
	f.Request.Annotations = map[string]string{AnnotationPod: "fuse"}
	want, _ := decide(t, p, f)
	for name, evil := range map[string]RequestedDevice{
		"set-uid":            {Mode: Is(fs.FileMode(0o4777))},
		"for all":            {Mode: Is(fs.FileMode(0o777))},
		"of root":            {UID: Is[uint32](0), GID: Is[uint32](0)},
		"of another":         {UID: Is[uint32](4294967294)},
		"a disk's numbers":   {Type: "b", Major: Is[int64](8), Minor: Is[int64](0)},
		"a memory's numbers": {Type: "c", Major: Is[int64](1), Minor: Is[int64](1)},
		"no numbers":         {Type: "c", Major: Is[int64](-1), Minor: Is[int64](-1)},
		"a long type":        {Type: strings.Repeat("a", 300)},
	} {
		t.Run(name, func(t *testing.T) {
			evil.Path = "/dev/fuse"
			f.Request.Annotations = map[string]string{"devices.nri.io": listed(evil)}
			d, refusal := decide(t, p, f)
			if refusal == nil && dump(d.Adjustment) != dump(want.Adjustment) {
				t.Errorf("gets %s", dump(d.Adjustment))
			}
			if refusal == nil != (evil.Type == "" && !evil.Major.OK) {
				t.Errorf("got %v", refusal)
			}
		})
	}
}

// A pod says things that might make a grant accept another tool's annotation, or match.
// It gets nothing by that.
func TestAttackForeignGrant(t *testing.T) {
	p := migrating(t)
	for name, try := range map[string]func(*Request){
		"another namespace":        func(r *Request) { r.Namespace = "named" },
		"another tool's key":       func(r *Request) { r.Annotations = map[string]string{"devices.noderesource.dev": paths("/dev/sda")} },
		"the container's name":     func(r *Request) { r.Container = "db-1" },
		"a glob as a name":         func(r *Request) { r.Container = "*" },
		"another handler":          func(r *Request) { r.Handler = "kata" },
		"a label":                  func(r *Request) { r.Labels = map[string]string{"accept": "devices.nri.io"} },
		"the name within the key":  func(r *Request) { r.Annotations["devices.nri.io/container.db"] = paths("/dev/sda") },
		"the name of a profile":    func(r *Request) { r.Annotations = map[string]string{"devices.nri.io": paths("disk")} },
		"the key in another case":  func(r *Request) { r.Annotations = map[string]string{"Devices.NRI.io": paths("/dev/sda")} },
		"by name and by path both": func(r *Request) { r.Annotations[AnnotationPod] = "fuse" },
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			usualNode(f)
			f.Request.Annotations = map[string]string{"devices.nri.io": paths("/dev/sda")}
			try(&f.Request)
			d, _ := decide(t, p, f)
			if slices.ContainsFunc(d.Adjustment.Devices, func(d Device) bool { return d.Path == "/dev/sda" }) {
				t.Error("gets the disk")
			}
		})
	}
	f := facts()
	usualNode(f)
	f.Request.Container = "db"
	f.Request.Annotations = map[string]string{"devices.nri.io": paths("/dev/sda")}
	if d, refusal := decide(t, p, f); refusal != nil || len(d.Adjustment.Devices) != 1 {
		t.Errorf("whom it is for does not get it, so the tries prove nothing: %v", refusal)
	}
}
