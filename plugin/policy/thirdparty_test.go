// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// jsonDevices reads the devices that a test writes. The YAML that pods have is
// read in plugin/annotations, which has its own tests.
type jsonDevices struct{}

func (jsonDevices) ReadDevices(value string) (list []RequestedDevice, err error) {
	if value != "" {
		err = json.Unmarshal([]byte(value), &list)
	}
	return list, err
}

func listed(list ...RequestedDevice) string { return dump(list) }

func paths(list ...string) string {
	var devices []RequestedDevice
	for _, p := range list {
		devices = append(devices, RequestedDevice{Path: p})
	}
	return listed(devices...)
}

var all = ThirdParties()

// migrating is a policy for pods that are annotated for others.
func migrating(t testing.TB) *Policy {
	return compile(t, Source{Handlers: []string{"nodegate"}, ShadowDir: "/dev/.udev/nodegate", Devices: jsonDevices{},
		Profiles: []Profile{
			{Name: "nested", Include: []string{"fuse"}, Capabilities: Capabilities{Add: []string{"CAP_SYS_ADMIN"}}},
			withDevices("fuse", DeviceRule{Path: "/dev/fuse", Access: "rw", Mode: Is(fuseNode.Mode)}),
			withDevices("kvm", DeviceRule{Path: "/dev/kvm", Access: "rw"}),
			withDevices("usb", DeviceRule{Path: "/dev/ttyUSB*", Access: "rw"}),
			withDevices("first-usb", DeviceRule{Path: "/dev/ttyUSB[0]", ContainerPath: "/dev/modem", Access: "rw"}),
			withDevices("both", DeviceRule{Path: "/dev/fuse", Access: "rw", Mode: Is(fuseNode.Mode)}, DeviceRule{Path: "/dev/kvm", Access: "rw"}),
			withDevices("disk", DeviceRule{Path: "/dev/sda", Access: "r"}),
			{Name: "cgroup", CgroupWritable: true},
			{Name: "system", CgroupWritable: true, Tmpfs: []Tmpfs{{Path: "/run"}}},
			{Name: "tun-admin", Include: []string{"tun-plain"}, Capabilities: Capabilities{Add: []string{"CAP_NET_ADMIN"}}},
			withDevices("tun-plain", DeviceRule{Path: "/dev/net/tun", Access: "rw"}),
			{Name: "tun-env", Include: []string{"tun-plain"}, Env: map[string]string{"A": "1", "B": "2", "C": "3"}},
		},
		Grants: []Grant{
			{Source: "1", Profiles: []string{"nested", "fuse", "usb", "first-usb", "system", "cgroup"}, Namespaces: []string{"ci"}, Accept: all},
			{Source: "2", Profiles: []string{"kvm"}, Namespaces: []string{"ci"}, Accept: []ThirdParty{DevicesGKE}},
			{Source: "3", Profiles: []string{"disk"}, Namespaces: []string{"ci"}, Containers: []string{"db"}, Accept: []ThirdParty{DevicesNRI}},
			{Source: "4", Profiles: []string{"kvm"}, Namespaces: []string{"named"}},
			{Source: "5", Profiles: []string{"both", "fuse"}, Namespaces: []string{"pair"}, Accept: []ThirdParty{DevicesNRI}},
			{Source: "8", Profiles: []string{"tun-admin", "tun-env"}, Namespaces: []string{"tun"}, Accept: []ThirdParty{DevicesGKE}},
			{Source: "6", Profiles: []string{"fuse"}, Namespaces: []string{"always"}, Always: true},
			{Source: "7", Profiles: []string{"nested", "fuse"}, Namespaces: []string{"always"}, Accept: []ThirdParty{DevicesNRI}},
		}})
}

// Who gets which profiles for what is asked for.
func TestForeignRequests(t *testing.T) {
	p := migrating(t)
	const (
		gke   = "devices.gke.io/container.app"
		nri   = "devices.nri.io"
		node  = "devices.noderesource.dev"
		write = "writable-cgroups.noderesource.dev"
	)
	type annotations = map[string]string
	fuse, kvm := paths("/dev/fuse"), paths("/dev/kvm")
	offered := ` (offered there: /dev/fuse, /dev/modem)`
	for _, tc := range []struct {
		name, namespace string
		have            annotations
		want            []string
		code            Code
		refusal         string
	}{
		{name: "none"},
		{name: "the profile that gives least besides", have: annotations{gke: fuse}, want: []string{"fuse"}},
		{name: "by another path of the container", have: annotations{node: paths("/dev/modem")}, want: []string{"first-usb"}},
		{name: "two", have: annotations{gke: paths("/dev/kvm", "/dev/fuse")}, want: []string{"kvm", "fuse"}},
		{name: "the same twice", have: annotations{gke: paths("/dev/fuse", "/dev/fuse")}, want: []string{"fuse"}},
		{name: "by two tools", have: annotations{gke: fuse, node: fuse, write: "true"}, want: []string{"fuse", "cgroup"}},
		{name: "what is asked for by name is enough", have: annotations{AnnotationPod: "nested", gke: fuse}, want: []string{"nested"}},
		{name: "beside what is asked for by name", have: annotations{AnnotationPod: "usb", gke: fuse}, want: []string{"usb", "fuse"}},
		{name: "what is given always is enough", namespace: "always", have: annotations{nri: fuse}, want: []string{"fuse"}},
		{name: "what all of it asks for", namespace: "pair", have: annotations{nri: paths("/dev/fuse", "/dev/kvm")}, want: []string{"both"}},
		{name: "what a part of it asks for", namespace: "pair", have: annotations{nri: fuse}, want: []string{"fuse"}},
		{name: "no capability where variables would do", namespace: "tun", have: annotations{gke: paths("/dev/net/tun")}, want: []string{"tun-env"}},
		{name: "an empty list", have: annotations{gke: "", nri: "[]"}},

		// Precedence: the most specific holds, and replaces all others of its tool.
		{name: "pod before bare", have: annotations{node: kvm, node + "/pod": fuse}, want: []string{"fuse"}},
		{name: "container before pod", have: annotations{node + "/pod": kvm, node + "/container.app": fuse}, want: []string{"fuse"}},
		{name: "the newer name first", have: annotations{nri: kvm, node: fuse}, want: []string{"fuse"}},
		{name: "the more specific first, of the older name too", have: annotations{node: kvm, nri + "/pod": fuse}, want: []string{"fuse"}},
		{name: "the older name for a container", have: annotations{node + "/pod": kvm, nri + "/container.app": fuse}, want: []string{"fuse"}},
		{name: "an empty one replaces too", have: annotations{node: kvm, nri + "/container.app": ""}},
		{name: "a name that is not accepted replaces none", namespace: "pair", have: annotations{node + "/container.app": kvm, nri: fuse}, want: []string{"fuse"}},
		{name: "another container's", have: annotations{node + "/container.other": kvm, "devices.gke.io/container.other": kvm}},
		{name: "a cgroup", have: annotations{write: "true"}, want: []string{"cgroup"}},
		{name: "no cgroup", have: annotations{write: "false"}},
		{name: "no cgroup for this container", have: annotations{write: "true", write + "/container.app": "false"}},
		{name: "an empty cgroup", have: annotations{write + "/pod": ""}},

		// Without a grant that accepts them they are nobody's business.
		{name: "not accepted", namespace: "named", have: annotations{gke: kvm, nri: kvm, node: "]", write: "yes", node + "/x": ""}},
		{name: "another namespace", namespace: "elsewhere", have: annotations{gke: kvm, write: "true"}},
		{name: "another name is not accepted", namespace: "pair", have: annotations{gke: kvm, node: kvm, write: "true"}},

		{name: "not offered", have: annotations{nri: paths("/dev/mem")}, code: NotGranted,
			refusal: `asks by its annotation "devices.nri.io" for device "/dev/mem", which no profile offers that is granted in namespace "ci" to such annotations (offered there: /dev/fuse, /dev/modem, /dev/sda)`},
		{name: "the first that is not offered", have: annotations{gke: paths("/dev/fuse", "/dev/b", "/dev/a")}, code: NotGranted,
			refusal: `asks by its annotation "devices.gke.io/container.app" for device "/dev/b", which no profile offers that is granted in namespace "ci" to such annotations (offered there: /dev/fuse, /dev/kvm, /dev/modem)`},
		{name: "granted for another tool's alone", have: annotations{nri: kvm}, code: NotGranted,
			refusal: `asks by its annotation "devices.nri.io" for device "/dev/kvm", which no profile offers that is granted in namespace "ci" to such annotations (offered there: /dev/fuse, /dev/modem, /dev/sda)`},
		{name: "offered to others", have: annotations{nri: paths("/dev/sda")}, code: NotGranted,
			refusal: `asks by its annotation "devices.nri.io" for device "/dev/sda", which is offered in namespace "ci" only to containers named "db"`},
		{name: "no cgroup is offered", namespace: "pair", have: annotations{nri: fuse, write: "true"}, want: []string{"fuse"}},
		{name: "a glob offers nothing", have: annotations{node: paths("/dev/ttyUSB0")}, code: NotGranted,
			refusal: `asks by its annotation "devices.noderesource.dev" for device "/dev/ttyUSB0", which no profile offers that is granted in namespace "ci" to such annotations` + offered},

		{name: "no list", have: annotations{gke: "x"}, code: BadRequest,
			refusal: `has an annotation "devices.gke.io/container.app" that is not a list of devices: invalid character 'x' looking for beginning of value`},
		{name: "too long", have: annotations{gke: strings.Repeat(" ", 4097)}, code: BadRequest,
			refusal: `has an annotation "devices.gke.io/container.app" of 4097 bytes: write at most 4096`},
		{name: "too many", have: annotations{gke: many(65)}, code: BadRequest,
			refusal: `asks by its annotation "devices.gke.io/container.app" for 65 devices: write at most 64`},
		{name: "neither true nor false", have: annotations{write: "yes"}, code: BadRequest,
			refusal: `has "yes" in its annotation "writable-cgroups.noderesource.dev": write "true" or "false"`},
		{name: "a key that means nothing", have: annotations{node + "/containers.app": fuse}, code: BadRequest,
			refusal: `has the annotation "devices.noderesource.dev/containers.app", which means nothing: write "devices.noderesource.dev/pod", or "devices.noderesource.dev/container." and the container's name`},
		{name: "a form that GKE has not", have: annotations{"devices.gke.io/pod": fuse}, code: BadRequest,
			refusal: `has the annotation "devices.gke.io/pod", which means nothing: write "devices.gke.io/container." and the container's name`},
		{name: "GKE's bare name", have: annotations{"devices.gke.io": fuse}, code: BadRequest,
			refusal: `has the annotation "devices.gke.io", which means nothing: write "devices.gke.io/container." and the container's name`},
		{name: "a name that begins alike", have: annotations{"devices.gke.io.example.com/container.app": "]", "devices.nri.iot": "]"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := facts().Request
			r.Annotations = tc.have
			if tc.namespace != "" {
				r.Namespace = tc.namespace
			}
			s, err := p.Select(&r)
			var refusal *Refusal
			if err != nil {
				refusal = asRefusal(t, err)
			}
			checkRefusal(t, refusal, tc.code, tc.refusal)
			if got := s.Profiles(); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			// What is kept of a live container answers the same.
			compact := r.Compact()
			again, errAgain := p.Select(&compact)
			if !slices.Equal(again.Profiles(), s.Profiles()) || dump(err) != dump(errAgain) {
				t.Errorf("compact: %q %v, want %q %v", again.Profiles(), errAgain, s.Profiles(), err)
			}
		})
	}
}

// A profile that would be refused for want of a user namespace stands back for one that
// would not, and for none where there is no other.
func TestForeignUnmet(t *testing.T) {
	inside := withDevices("inside", DeviceRule{Path: "/dev/fuse", Access: "rw", Mode: Is(fuseNode.Mode)})
	inside.Requires.UserNamespace = true
	outside := withDevices("outside", DeviceRule{Path: "/dev/fuse", Access: "rw", Mode: Is(fuseNode.Mode)})
	outside.Env = map[string]string{"A": "b"}
	for _, tc := range []struct {
		profiles      []Profile
		userNamespace Known[bool]
		want          string
	}{
		{[]Profile{inside, outside}, Is(false), "outside"},
		{[]Profile{inside, outside}, Is(true), "inside"},
		{[]Profile{inside, outside}, Known[bool]{}, "inside"}, // which Decide refuses
		{[]Profile{inside}, Is(false), "inside"},
	} {
		g := Grant{Namespaces: []string{"ci"}, Accept: all}
		for _, p := range tc.profiles {
			g.Profiles = append(g.Profiles, p.Name)
		}
		p := compile(t, Source{Devices: jsonDevices{}, Profiles: tc.profiles, Grants: []Grant{g}})
		s, err := p.Select(&Request{Namespace: "ci", Container: "c", UserNamespace: tc.userNamespace, Annotations: map[string]string{"devices.nri.io": paths("/dev/fuse")}})
		if err != nil || !slices.Equal(s.Profiles(), []string{tc.want}) {
			t.Errorf("%d profiles, %v: got %q, %v, want %s", len(tc.profiles), tc.userNamespace, s.Profiles(), err, tc.want)
		}
	}
}

// many is a list of devices that is short enough.
func many(n int) string { return "[" + strings.Repeat("{},", n-1) + "{}]" }

// What the annotation says beside the path is not taken, and not passed over.
func TestForeignDetails(t *testing.T) {
	p := migrating(t)
	is := Is[int64]
	asks := `granted on request by 1: annotation "devices.nri.io/pod" asks for device "/dev/fuse"`
	left := func(what, asked, given string) Reason {
		return Reason{LeftOut, "fuse", what + " " + asked + ` of device "/dev/fuse", which annotation "devices.nri.io/pod" asks for: the profile gives it ` + what + " " + given}
	}
	for _, tc := range []struct {
		name    string
		ask     RequestedDevice
		reasons []Reason
		refusal string
	}{
		{name: "as it is", ask: RequestedDevice{Type: "c", Major: is(10), Minor: is(229), Mode: Is(fuseNode.Mode), UID: Is[uint32](0), GID: Is[uint32](0)}},
		{name: "mode and owner", ask: RequestedDevice{Mode: Is(fuseNode.Mode | 0o111), UID: Is[uint32](1000), GID: Is[uint32](7)},
			reasons: []Reason{left("mode", "0777", "0666"), left("uid", "1000", "0"), left("gid", "7", "0")}},
		{name: "another type", ask: RequestedDevice{Type: "b", Major: is(10), Minor: is(229)}, refusal: "b 10:229"},
		{name: "another major", ask: RequestedDevice{Type: "c", Major: is(1), Minor: is(229)}, refusal: "c 1:229"},
		{name: "another minor alone", ask: RequestedDevice{Minor: is(232)}, refusal: "c *:232"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, userns := range []bool{false, true} {
				f := facts()
				usualNode(f)
				if userns {
					inUserNamespace(f)
				}
				tc.ask.Path = "/dev/fuse"
				f.Request.Annotations = map[string]string{"devices.nri.io/pod": listed(tc.ask)}
				d, refusal := decide(t, p, f)
				want := ""
				if tc.refusal != "" {
					want = `asks by its annotation "devices.nri.io/pod" for device "/dev/fuse" as ` + tc.refusal +
						`, which is c 10:229 on this node: correct its type, major and minor, or leave them out`
				}
				checkRefusal(t, refusal, Conflict, want)
				if refusal != nil {
					continue
				}
				if want := append([]Reason{{Granted, "fuse", asks}}, tc.reasons...); !reflect.DeepEqual(d.Reasons, want) {
					t.Errorf("reasons:\n got %q\nwant %q", d.Reasons, want)
				}
				plain := facts()
				usualNode(plain)
				if userns {
					inUserNamespace(plain)
				}
				plain.Request.Annotations = map[string]string{AnnotationPod: "fuse"}
				if same, _ := decide(t, p, plain); !reflect.DeepEqual(d.Adjustment, same.Adjustment) {
					t.Errorf("another adjustment than by name:\n got %s\nwant %s", dump(d.Adjustment), dump(same.Adjustment))
				}
			}
		})
	}
}

func TestForeignExplained(t *testing.T) {
	p := migrating(t)
	r := facts().Request
	r.Annotations = map[string]string{"devices.nri.io": paths("/dev/fuse"), "devices.gke.io/container.app": paths("/dev/fuse", "/dev/kvm")}
	var got []string
	for _, m := range p.Explain(&r) {
		got = append(got, m.Profile+" "+string(m.Verdict)+" "+m.Why)
	}
	for _, want := range []string{
		`fuse gives annotation "devices.gke.io/container.app" asks for device "/dev/fuse", and annotation "devices.nri.io" asks for device "/dev/fuse"`,
		`kvm gives annotation "devices.gke.io/container.app" asks for device "/dev/kvm"`,
		"nested not_asked not asked for",
		`disk narrowed only to containers named "db"`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	// What cannot be had does not hide what can.
	r.Annotations["devices.nri.io"] = paths("/dev/mem")
	if !slices.ContainsFunc(p.Explain(&r), func(m Match) bool { return m.Profile == "kvm" && m.Verdict == Gives }) {
		t.Error("kvm is hidden")
	}
	r.Annotations = map[string]string{AnnotationPod: "kvm", "devices.nri.io/pod": "- a\n\n- b", "devices.gke.io/container.app": "x", "devices.gke.io/container.b": "y"}
	r.Namespace = "pair"
	if got, want := p.Asked(&r), "kvm; devices.nri.io/pod: - a - b"; got != want {
		t.Errorf("asked: %q, want %q", got, want)
	}
	if got, want := p.Unread(&r), []string{"devices.gke.io/container.app"}; !slices.Equal(got, want) {
		t.Errorf("unread: %q, want %q", got, want)
	}
}

func TestForeignLoad(t *testing.T) {
	_, err := New(Source{Profiles: []Profile{withDevices("a", DeviceRule{Path: "/dev/a", Access: "r"})}, Grants: []Grant{
		{Profiles: []string{"a"}, Namespaces: []string{"a"}, Always: true, Accept: []ThirdParty{DevicesGKE}},
		{Profiles: []string{"a"}, Namespaces: []string{"a"}, Accept: []ThirdParty{DevicesGKE, "x"}},
	}})
	want := "grant 1: accept: the grant gives its profiles without being asked, so no annotation makes a difference: write apply = \"on_request\", or leave accept out\n" +
		"grant 2: accept[1]: \"x\" is not an annotation that can be accepted"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	// A surface that reads none refuses them.
	p := compile(t, Source{Profiles: []Profile{withDevices("a", DeviceRule{Path: "/dev/a", Access: "r"})},
		Grants: []Grant{{Profiles: []string{"a"}, Namespaces: []string{"ci"}, Accept: []ThirdParty{DevicesGKE}}}})
	f := facts()
	f.Request.Annotations = map[string]string{"devices.gke.io/container.app": paths("/dev/a")}
	_, refusal := decide(t, p, f)
	checkRefusal(t, refusal, Internal, `has an annotation "devices.gke.io/container.app", which cannot be read here`)
}

// Annotations of others cost nothing where no grant accepts them.
func TestForeignUnacceptedAllocatesNothing(t *testing.T) {
	p := migrating(t)
	r := facts().Request
	r.Annotations = map[string]string{"devices.gke.io/container.app": paths("/dev/kvm"), "devices.nri.io": paths("/dev/fuse")}
	for _, ns := range []string{"named", "elsewhere"} {
		r.Namespace = ns
		if got := testing.AllocsPerRun(100, func() {
			if s, err := p.Select(&r); err != nil || !s.Empty() {
				t.Fatal(s, err)
			}
		}); got != 0 {
			t.Errorf("namespace %s: %v allocations", ns, got)
		}
	}
}

// What is given always stays so when an annotation asks for a part of it: a sysctl that
// the pod did not ask for is left out of a pod with the node's network, and no refusal.
func TestForeignPartOfAlways(t *testing.T) {
	p := compile(t, Source{Devices: jsonDevices{}, Profiles: []Profile{
		{Name: "a", Devices: []DeviceRule{{Path: "/dev/kvm", Access: "rw"}}, Sysctls: map[string]string{"net.a": "1"}},
	}, Grants: []Grant{
		{Source: "1", Profiles: []string{"a"}, Namespaces: []string{"*"}, Always: true},
		{Source: "2", Profiles: []string{"a"}, Namespaces: []string{"ci"}, Accept: all},
	}})
	f := facts()
	usualNode(f)
	f.Container.HostNamespaces.Value = append(f.Container.HostNamespaces.Value, "network")
	f.Request.Annotations = map[string]string{"devices.nri.io": paths("/dev/kvm")}
	d, refusal := decide(t, p, f)
	checkRefusal(t, refusal, "", "")
	if want := `granted always by 1: annotation "devices.nri.io" asks for device "/dev/kvm"`; d.Reasons[0].Text != want || len(d.Adjustment.Sysctls) != 0 {
		t.Errorf("got %q, %v", d.Reasons, d.Adjustment.Sysctls)
	}
}
