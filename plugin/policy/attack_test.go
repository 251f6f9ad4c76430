// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A pod's author who wants the node: every test is one try.

// denied is a policy that takes mknod away in every namespace, and gives kvm
// to one app in "ci" on request.
func denied(t *testing.T) *Policy {
	return compile(t, Source{Handlers: []string{"nodegate"}, ShadowDir: "/dev/.udev/nodegate",
		Profiles: []Profile{
			{Name: "no-mknod", Seccomp: noMknod(), Capabilities: Capabilities{Drop: []string{"CAP_MKNOD"}}},
			{Name: "mknod", Capabilities: Capabilities{Add: []string{"CAP_MKNOD"}}, Seccomp: []SeccompRule{{Syscalls: []string{"mknod", "mknodat"}}}},
			withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"}),
		},
		Grants: []Grant{
			{Source: "1", Profiles: []string{"no-mknod"}, Namespaces: []string{"*"}, Always: true},
			{Source: "2", Profiles: []string{"kvm", "mknod"}, Namespaces: []string{"ci"}, Pods: hasLabel{"app", "vm"}, Containers: []string{"vm-*"}},
		}})
}

// A pod chooses labels, names, handlers and annotations to escape a denial. It holds.
func TestAttackWalkAroundADenial(t *testing.T) {
	ask := func(key, value string) func(*Facts) {
		return func(f *Facts) { f.Request.Annotations = map[string]string{key: value} }
	}
	for name, try := range map[string]func(*Facts){
		"as it is":                      func(*Facts) {},
		"ask for nothing":               ask(AnnotationPod, ""),
		"ask for nothing, container":    ask(AnnotationContainer+"app", " "),
		"another runtime handler":       func(f *Facts) { f.Request.Handler = "kata" },
		"another container name":        func(f *Facts) { f.Request.Container = "*" },
		"an empty container name":       func(f *Facts) { f.Request.Container = "" },
		"labels":                        func(f *Facts) { f.Request.Labels = map[string]string{"app": "", "": ""} },
		"a user namespace":              inUserNamespace,
		"host network":                  func(f *Facts) { f.Container.HostNamespaces = Is([]specs.LinuxNamespaceType{"network", "ipc", "pid"}) },
		"a volume wherever":             volume("/"),
		"a name that looks like a glob": func(f *Facts) { f.Request.Pod = "[" },
		"ask for it too":                ask(AnnotationPod, "no-mknod"),
		"ask for what gives it": func(f *Facts) {
			ask(AnnotationPod, "mknod")(f)
			f.Request.Labels, f.Request.Container = map[string]string{"app": "vm"}, "vm-1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			try(f)
			d, refusal := decide(t, denied(t), f)
			if refusal != nil {
				t.Fatalf("refused, which no try should need: %v", refusal)
			}
			if a := d.Adjustment; !slices.Contains(a.Capabilities.Drop, "CAP_MKNOD") || slices.Contains(a.Capabilities.Add, "CAP_MKNOD") {
				t.Errorf("keeps the capability: %s", dump(a))
			}
			// What these rules deny, no rule that allows can give back: see seccomp.Apply.
			for _, rule := range noMknod() {
				if !slices.ContainsFunc(d.Adjustment.Seccomp, func(r SeccompRule) bool { return reflect.DeepEqual(r, rule) }) {
					t.Errorf("makes a block device: %s", dump(d.Adjustment))
				}
			}
		})
	}
}

// A pod chooses labels, names, handlers and annotations to match a grant that is not
// meant for it. None matches.
func TestAttackWidenAGrant(t *testing.T) {
	vm := map[string]string{"app": "vm"}
	for name, try := range map[string]func(*Request){
		"the label in an annotation":    func(r *Request) { r.Annotations["app"] = "vm" },
		"the label in another case":     func(r *Request) { r.Labels = map[string]string{"App": "vm", "app": "VM"} },
		"the label with spaces":         func(r *Request) { r.Labels = map[string]string{"app\x20": "vm", "app": "vm "} },
		"the container in the pod name": func(r *Request) { r.Labels, r.Pod = vm, "vm-1" },
		"a container name before":       func(r *Request) { r.Labels, r.Container = vm, "x-vm-1" },
		"a container name with a slash": func(r *Request) { r.Labels, r.Container = vm, "vm-/../app" },
		"the glob itself, elsewhere":    func(r *Request) { r.Labels, r.Container, r.Namespace = vm, "vm-*", "*" },
		"a namespace that holds it":     func(r *Request) { r.Labels, r.Container, r.Namespace = vm, "vm-1", "ci-2" },
		"a namespace in another case":   func(r *Request) { r.Labels, r.Container, r.Namespace = vm, "vm-1", "CI" },
		"a namespace with a space":      func(r *Request) { r.Labels, r.Container, r.Namespace = vm, "vm-1", "ci " },
		"a namespace in the pod name":   func(r *Request) { r.Labels, r.Container, r.Namespace, r.Pod = vm, "vm-1", "", "ci/web" },
		"another handler":               func(r *Request) { r.Labels, r.Container, r.Handler = vm, "vm-1", "runc " },
		"another container's request": func(r *Request) {
			r.Labels, r.Container, r.Annotations = vm, "app", map[string]string{AnnotationContainer + "app": "kvm"}
		},
		"the name in another case": func(r *Request) {
			r.Labels, r.Container, r.Annotations = vm, "vm-1", map[string]string{AnnotationPod: "KVM"}
		},
		"two names in one": func(r *Request) {
			r.Labels, r.Container, r.Annotations = vm, "vm-1", map[string]string{AnnotationPod: "kvm kvm"}
		},
		"a path for a name": func(r *Request) {
			r.Labels, r.Container, r.Annotations = vm, "vm-1", map[string]string{AnnotationPod: "/dev/kvm"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			usualNode(f)
			f.Request.Annotations = map[string]string{AnnotationPod: "kvm"}
			try(&f.Request)
			if d, refusal := decide(t, denied(t), f); refusal == nil {
				t.Errorf("got %q: %s", d.Profiles, dump(d.Adjustment))
			}
		})
	}
}

// A volume lies where a device is to be, and would hold the node for other pods to find.
// The container is refused.
func TestAttackVolumeUnderADevice(t *testing.T) {
	p := compile(t, Source{ShadowDir: "/dev/.udev/nodegate", Profiles: []Profile{withDevices("tun", DeviceRule{Path: "/dev/kvm", ContainerPath: "/dev/net/tun", Access: "rw"})},
		Grants: []Grant{{Profiles: []string{"tun"}, Namespaces: []string{"*"}, Always: true}}})
	for _, at := range []string{"/dev/net/tun", "/dev/net", "/dev", "/", "/dev/net/", "//dev//net", "/dev/./net", "/dev/x/../net", "/../dev/net", "dev/net", "./dev/net", "dev/net/tun", "../dev", ".", ""} {
		t.Run(at, func(t *testing.T) {
			for _, m := range []specs.Mount{
				{Type: "bind"}, {Type: "", Options: []string{"rbind"}}, {Type: "none", Options: []string{"ro", "bind"}},
			} {
				for _, change := range []func(*Facts){func(*Facts) {}, inUserNamespace} {
					m.Destination = at
					f := facts()
					usualNode(f)
					change(f)
					mounted(m)(f)
					if d, refusal := decide(t, p, f); refusal == nil || refusal.Code != Occupied {
						t.Errorf("a volume at %q: got %v, %s", at, refusal, dump(d.Adjustment))
					}
				}
			}
		})
	}
}

// The pod brings a device of its own, such as a raw block volume, at the path of a
// profile's device. The container is refused.
func TestAttackAnotherDeviceAtThePath(t *testing.T) {
	p := compile(t, Source{ShadowDir: "/s", Profiles: []Profile{withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"})},
		Grants: []Grant{{Profiles: []string{"kvm"}, Namespaces: []string{"*"}, Always: true}}})
	for _, at := range []string{"/dev/kvm", "/dev//kvm", "/dev/x/../kvm/", "dev/kvm"} {
		t.Run(at, func(t *testing.T) {
			for _, change := range []func(*Facts){func(*Facts) {}, inUserNamespace} {
				f := facts()
				usualNode(f)
				change(f)
				podDevice(at, diskNode)(f)
				_, refusal := decide(t, p, f)
				checkRefusal(t, refusal, Occupied, `would get device "/dev/kvm" of profile "kvm", but has another device of its own at that path: give that another path`)
			}
		})
	}
}

// A container's id names a directory of the node. An id that leads elsewhere is refused.
func TestAttackContainerID(t *testing.T) {
	p := compile(t, Source{ShadowDir: "/dev/.udev/nodegate", Profiles: []Profile{withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"})},
		Grants: []Grant{{Profiles: []string{"kvm"}, Namespaces: []string{"*"}, Always: true}}})
	for _, id := range []string{"", ".", "..", "../x", "a/b", "/", "/etc", "a/..", "x/"} {
		t.Run(id, func(t *testing.T) {
			f := facts()
			usualNode(f)
			inUserNamespace(f)
			f.Container.ID = id
			_, refusal := decide(t, p, f)
			checkRefusal(t, refusal, Internal, fmt.Sprintf(`would get device "/dev/kvm" of profile "kvm", but its id %q can name no directory of shadow nodes`, id))
		})
	}
}

// A container runs as a uid or gid outside of its pod's id map. It is refused.
func TestAttackUserOutsideTheMap(t *testing.T) {
	p := compile(t, Source{ShadowDir: "/s", Profiles: []Profile{withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw", UID: ID{Of: OfProcess}, GID: ID{Of: OfProcess}})},
		Grants: []Grant{{Profiles: []string{"kvm"}, Namespaces: []string{"*"}, Always: true}}})
	for _, u := range []User{{65536, 0}, {0, 65536}, {100000, 0}, {1<<32 - 1, 0}, {0, 1<<32 - 1}} {
		t.Run(fmt.Sprint(u.UID, ":", u.GID), func(t *testing.T) {
			f := facts()
			usualNode(f)
			inUserNamespace(f)
			f.Container.User = Is(u)
			if d, refusal := decide(t, p, f); refusal == nil || refusal.Code != Unmapped {
				t.Errorf("got %v, %s", refusal, dump(d.Adjustment))
			}
		})
	}
}

// A pod writes text that breaks the line of a refusal. It is one line in logs and
// events.
func TestAttackRefusalText(t *testing.T) {
	p := denied(t)
	for _, evil := range []string{"x\nnodegate: all is well", "x\r\x1b[2J", "x\x00y", "\u202ex", "\xff\xfe", strings.Repeat("\xff", 3000), strings.Repeat("\u202e", 1000), `" (granted there: kvm) "`} {
		t.Run(fmt.Sprintf("%.20q", evil), func(t *testing.T) {
			for _, key := range []string{AnnotationPod, AnnotationBare + "/" + evil} {
				f := facts()
				f.Request.Annotations = map[string]string{key: evil}
				_, refusal := decide(t, p, f)
				if refusal == nil {
					t.Errorf("%q was taken", evil)
					continue
				}
				if strings.ContainsFunc(refusal.Text, func(r rune) bool { return r < ' ' || r == '\u202e' || r == '\uFFFD' }) || len(refusal.Text) > 1024 {
					t.Errorf("%d bytes: %q", len(refusal.Text), refusal.Text)
				}
			}
		})
	}
}

// The policy is shared by all containers: what one does with its decision must
// not reach the next.
func TestDecisionsAreApart(t *testing.T) {
	p := compile(t, Source{ShadowDir: "/s", Profiles: []Profile{{Name: "a", Tmpfs: []Tmpfs{{Path: "/run"}}, Env: map[string]string{"a": "b"}, Sysctls: map[string]string{"net.a": "b"},
		CDIDevices: []string{"v/c=1"}, Capabilities: Capabilities{Add: []string{"CAP_A"}, Drop: []string{"CAP_B"}},
		Seccomp: noMknod(), DeviceCgroupRules: []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Access: "r"}}}},
		Grants: []Grant{{Source: "1", Profiles: []string{"a"}, Namespaces: []string{"*"}, Always: true}}})
	first, _ := decide(t, p, facts())
	want := dump(first)
	a := &first.Adjustment
	a.Env["a"], a.Sysctls["net.a"], a.CDIDevices[0] = "x", "x", "x"
	a.Capabilities.Add[0], a.Capabilities.Drop[0] = "x", "x"
	a.DeviceRules[0].Access, a.Mounts[0].Options[0] = "x", "x"
	a.Seccomp[0].Errno, first.Profiles[0], first.Reasons[0].Text = 99, "x", "x"
	second, _ := decide(t, p, facts())
	if got := dump(second); got != want {
		t.Errorf("the next decision:\n got %s\nwant %s", got, want)
	}
	if reflect.DeepEqual(first, second) {
		t.Error("nothing was changed: the test proves nothing")
	}
}
