// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FuzzRequest feeds what a pod's author writes: no panic, names that are clean,
// or one printable sentence.
func FuzzRequest(f *testing.F) {
	f.Add("profiles.nodegate.dev", "kvm, fuse,,", "app", "profiles.nodegate.dev/container.app", "")
	f.Add("profiles.nodegate.dev/pod", " ", "", "profiles.nodegate.dev/container.", "\xff")
	f.Fuzz(func(t *testing.T, key, value, container, key2, value2 string) {
		r := facts().Request
		r.Container = container
		r.Annotations = map[string]string{key: value, key2: value2}
		names, refusal := r.requested()
		again, _ := r.requested()
		if !slices.Equal(names, again) {
			t.Fatalf("%q, then %q", names, again)
		}
		if refusal != nil && names != nil {
			t.Fatalf("names %q came with a refusal: %v", names, refusal)
		}
		if refusal != nil && (!utf8.ValidString(refusal.Text) || strings.ContainsAny(refusal.Text, "\n\r\x00")) {
			t.Fatalf("no printable sentence: %q", refusal.Text)
		}
		for i, name := range names {
			if name == "" || strings.TrimSpace(name) != name || strings.Contains(name, ",") || slices.Contains(names[:i], name) || !strings.Contains(value+","+value2, name) {
				t.Fatalf("name %q of %q", name, names)
			}
		}
	})
}

// FuzzIDMap checks the maps against a search of every extent, in 64 bits.
func FuzzIDMap(f *testing.F) {
	f.Add(uint32(0), uint32(100000), uint32(65536), uint32(65536), uint32(5), uint32(1), uint32(7))
	f.Add(uint32(0), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(0), uint32(0), uint32(0), uint32(math.MaxUint32))
	f.Fuzz(func(t *testing.T, c1, h1, s1, c2, h2, s2, id uint32) {
		m := idMap(extent(c1, h1, s1), extent(c2, h2, s2))
		host, err := mapID(m, id)
		var want uint64 = math.MaxUint32 // no id
		for _, x := range slices.Backward(m.Value) {
			if id >= x.ContainerID && uint64(id) < uint64(x.ContainerID)+uint64(x.Size) {
				want = uint64(x.HostID) + uint64(id-x.ContainerID)
			}
		}
		if (err == nil) != (want < math.MaxUint32) || err == nil && uint64(host) != want {
			t.Fatalf("%v: %d is mapped to %d, %v; want %d", m.Value, id, host, err, want)
		}
		top, err := maxID(m)
		if err != nil {
			if c1 == 0 && s1 > 0 || c2 == 0 && s2 > 0 {
				t.Fatalf("%v: %v", m.Value, err)
			}
			return
		}
		if top > math.MaxInt32 || !slices.ContainsFunc(m.Value, func(x specs.LinuxIDMapping) bool { return x.ContainerID == 0 && top < x.Size }) {
			t.Fatalf("%v: 0 to %d", m.Value, top)
		}
	})
}

// world is a random policy and facts of a container under it, over few names
// so that things meet.
func (r random) world() (Source, *Facts) {
	some := func(from ...string) []string {
		n := r.IntN(len(from) + 1)
		return from[len(from)-n:]
	}
	chance := func() bool { return r.IntN(3) == 0 }
	src := Source{ShadowDir: "/s", Handlers: some("nodegate"), Devices: jsonDevices{}}
	for _, name := range []string{"a", "b", "c"} {
		p := Profile{Name: name, AdoptDevices: chance(), CgroupWritable: chance(),
			Requires:     Requires{UserNamespace: r.IntN(16) == 0, Cgroup: pickOf(r, "", "", "", CgroupV2)},
			Capabilities: Capabilities{Add: some("CAP_A", "CAP_B")}}
		if chance() {
			p.Seccomp = []SeccompRule{{Syscalls: r.names(), Errno: pickOf[uint](r, 0, 1), Args: []specs.LinuxSeccompArg{}}}
			p.Sysctls = map[string]string{pickOf(r, "net.a", "kernel.sem"): pickOf(r, "{max_gid}", "{max_gid}", "{max_uid} {max_gid}")}
			p.Env = map[string]string{"e": pickOf(r, "1", "1", "1", "2")}
		}
		for _, at := range some("/run", "/dev/shm") {
			p.Tmpfs = append(p.Tmpfs, Tmpfs{at, pickOf[int64](r, 0, 0, 0, 4096)})
		}
		if chance() {
			p.Rlimits = map[string]string{"nofile": pickOf(r, "1:2", "1:2", "2:2")}
		}
		for _, path := range some("/dev/kvm", "/dev/ttyUSB*", "/dev/fuse") {
			p.Devices = append(p.Devices, DeviceRule{Path: path, Access: pickOf(r, "r", "w", "rw", "rwm"), Optional: chance(),
				UID: map[bool]ID{true: {Of: OfProcess}}[path == "/dev/kvm"], GID: ID{Of: OfNumber, Number: pickOf[uint32](r, 0, 0, 0, 0, 0, 0, 0, 65536)}})
		}
		if name == "c" {
			p.Include = some("b", "a")
		}
		src.Profiles = append(src.Profiles, p)
	}
	for range 1 + r.IntN(5) {
		g := Grant{Source: "p.toml:1", Profiles: pickOf(r, []string{"a"}, []string{"b"}, []string{"c"}, []string{"b", "a"}, []string{"c", "a"}), Namespaces: []string{pickOf(r, "ci", "c*", "*i", "*", "*", "iot")}, Containers: pickOf(r, nil, []string{"app*", "x"}, []string{"x"}), Always: chance(),
			UserNamespace: pickOf(r, "", "", "", AnyUserNamespace, RequiredUserNamespace, ForbiddenUserNamespace)}
		if chance() {
			g.Pods = pickOf[Selector](r, hasLabel{"app", "gw"}, lacksLabel("app"))
		}
		if !g.Always {
			g.Accept = allThirdParties[r.IntN(len(allThirdParties)+1):]
		}
		src.Grants = append(src.Grants, g)
	}
	f := facts()
	if chance() {
		inUserNamespace(f)
	}
	usualNode(f)
	f.Host.Cgroup.Value.NSDelegate = true
	for _, change := range []func(*Facts){
		noLinuxPart, volume("/dev"), volume("/run"), podDevice("/dev/kvm", kvmNode), podDevice("/dev/fuse", diskNode),
		func(f *Facts) { f.Request.Labels = map[string]string{"app": "gw"} },
		func(f *Facts) { f.Request.Handler = "kata" },
		func(f *Facts) { f.Container.HostNamespaces = Is([]specs.LinuxNamespaceType{"network"}) },
		func(f *Facts) { f.Container.PodSysctls = map[string]GivenSysctl{"net.a": {"1", "init"}} },
		func(f *Facts) { f.Container.User.OK = false },
		func(f *Facts) { f.Host.Cgroup.Value.NSDelegate = false },
		func(f *Facts) { f.Container.CgroupsPath = "/k8s.io/another" },
		func(f *Facts) { f.Host = Host{} },
		func(f *Facts) { f.Host.GIDMap = idMap(extent(5, 5, 5)) },
		func(f *Facts) {
			f.Host.Devices[DeviceSelector{Path: "/dev/kvm"}] = DeviceLookup{Err: errors.New("gone")}
		},
		func(f *Facts) { delete(f.Host.Devices, DeviceSelector{Path: "/dev/ttyUSB*"}) },
	} {
		if r.IntN(25) == 0 && f.Host.Devices != nil {
			change(f)
		}
	}
	f.Request.Annotations = map[string]string{AnnotationPod: strings.Join(pickOf(r, nil, nil, some("c", "b", "a"), some("d", "a")), ",")}
	if names := some("c", "b", "a"); chance() {
		f.Request.Annotations[AnnotationContainer+"app"] = strings.Join(names, ",")
	}
	if chance() {
		f.Request.Annotations["devices.nri.io"] = paths(some("/dev/ttyUSB0", "/dev/kvm", "/dev/fuse")...)
		f.Request.Annotations["devices.gke.io/container.app"] = paths(some("/dev/fuse", "/dev/kvm")...)
		f.Request.Annotations["writable-cgroups.noderesource.dev"] = pickOf(r, "false", "true")
	}
	return src, f
}

// checkWorld asserts what holds of every decision. It reports whether there
// was one that changes something.
func checkWorld(t testing.TB, src Source, f *Facts) (decided, refused bool) {
	t.Helper()
	p, err := New(src)
	if err != nil {
		return false, false // a policy that contradicts itself; other tests
	}
	given := dump(f)
	d, refusal := decide(t, p, f)
	if got := dump(f); got != given {
		t.Fatalf("changed the facts:\n%s\nto %s", given, got)
	}
	again, refusalAgain := decide(t, p, f)
	if dump(again) != dump(d) || dump(refusalAgain) != dump(refusal) {
		t.Fatalf("first %s %s\nthen %s %s", dump(d), dump(refusal), dump(again), dump(refusalAgain))
	}
	if refusal != nil {
		if !strings.HasPrefix(refusal.Text, refusalStart) || strings.Contains(refusal.Text, "%!") || refusal.Code == "" {
			t.Fatalf("no sentence: %q", refusal.Text)
		}
		return false, true
	}
	checkWithin(t, src, f, d)
	checkByName(t, p, f, d)
	return !d.Adjustment.Empty(), false
}

// checkByName asserts that a pod gets nothing for third-party annotations that it
// would not get for the names of profiles.
func checkByName(t testing.TB, p *Policy, f *Facts, d Decision) {
	t.Helper()
	named := *f
	named.Request.Annotations = map[string]string{AnnotationContainer + "app": strings.Join(d.Profiles, ",")}
	same, refusal := decide(t, p, &named)
	if refusal != nil && refusal.Code == HostNamespace {
		return // of what is given always and was not asked for
	}
	if refusal != nil || dump(same.Adjustment) != dump(d.Adjustment) {
		t.Fatalf("asked for by name: %v %s\nelse: %s", refusal, dump(same.Adjustment), dump(d.Adjustment))
	}
}

// checkWithin asserts that a decision gives nothing beyond the profiles that
// it names, and that a grant names those for the container's namespace.
func checkWithin(t testing.TB, src Source, f *Facts, d Decision) {
	t.Helper()
	content := map[string]Profile{}
	var sum Profile
	var add func(name string)
	add = func(name string) {
		p := content[name]
		sum.Devices = append(sum.Devices, p.Devices...)
		sum.Capabilities.Add = append(sum.Capabilities.Add, p.Capabilities.Add...)
		for _, inc := range p.Include {
			add(inc)
		}
	}
	for _, p := range src.Profiles {
		content[p.Name] = p
	}
	for _, name := range d.Profiles {
		if !slices.ContainsFunc(src.Grants, func(g Grant) bool { return slices.Contains(g.Profiles, name) && matchAny(g.Namespaces, "ci") }) {
			t.Fatalf("profile %q has no grant", name)
		}
		add(name)
	}
	allowed := func(kind string, major, minor int64, access string) bool {
		have := ""
		for _, rule := range sum.Devices {
			for _, n := range f.Host.Devices[rule.Selector()].Nodes {
				if n.sameDevice(kind, major, minor) {
					have += rule.Access
				}
			}
		}
		return access != "" && strings.Trim(access, have) == ""
	}
	for _, dev := range d.Adjustment.Devices {
		if !allowed(dev.Type, dev.Major, dev.Minor, dev.Access) {
			t.Fatalf("device %s is not granted", dump(dev))
		}
	}
	for _, rule := range d.Adjustment.DeviceRules {
		if !rule.Allow || rule.Major == nil || rule.Minor == nil || !allowed(rule.Type, *rule.Major, *rule.Minor, rule.Access) {
			t.Fatalf("device rule %s is not granted", dump(rule))
		}
	}
	for _, node := range d.Adjustment.ShadowNodes {
		if !f.Request.UserNamespace.Value || node.UID < 100000 || node.UID > 165535 || node.GID < 200000 || node.GID > 265535 || node.Mode&^fs.ModePerm != 0 {
			t.Fatalf("shadow node %s", dump(node))
		}
	}
	for _, name := range d.Adjustment.Capabilities.Add {
		if !slices.Contains(sum.Capabilities.Add, name) {
			t.Fatalf("capability %s is not granted", name)
		}
	}
}

func TestDecideHoldsItsPromises(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 4))}
	decided, refused, n := 0, 0, 3000
	for range n {
		src, f := r.world()
		d, no := checkWorld(t, src, f)
		if d {
			decided++
		}
		if no {
			refused++
		}
	}
	if decided < n/20 || refused < n/20 {
		t.Errorf("checked too little: %d decided, %d refused", decided, refused)
	}
	t.Logf("%d decided, %d refused", decided, refused)
}

func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		src, facts := random{rand.New(rand.NewPCG(a, b))}.world()
		checkWorld(t, src, facts)
	})
}
