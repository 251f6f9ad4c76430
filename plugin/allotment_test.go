// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

const resourcePolicy = `version = 1
[profiles.zero.resource]
slots = 2
[[profiles.zero.devices]]
path = "/dev/zero"
access = "r"
[profiles.pair.resource]
exclusive = true
[[profiles.pair.devices]]
path = "/dev/[nz][ue][lr][lo]"
access = "r"
[[grants]]
namespaces = ["ci"]
profiles = ["zero", "pair"]
`

func resourcePlugin(t *testing.T, dir, text string, allotted Allotments) *Plugin {
	t.Helper()
	needRoot(t)
	p := newTestPlugin(t, dir)
	c, err := config.Parse("test.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p.policy.Store(c.Policy)
	p.node.Allotted = allotted
	return p
}

func claim(id, profile, units string) *api.Container {
	ctr := testContainer(id)
	ctr.Annotations = map[string]string{policy.AnnotationResource + profile: units}
	return ctr
}

func code(err error) policy.Code {
	if refusal := (*policy.Refusal)(nil); errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// A container with units is adjusted by them alone, and stays so through a restart of the
// agent, which asks the kubelet once.
func TestAllottedUnits(t *testing.T) {
	dir, asked := t.TempDir(), 0
	p := resourcePlugin(t, dir, resourcePolicy, func(_ context.Context, r *policy.Request, profile string, units []string) bool {
		asked++
		return r.Pod == "p" && r.Container == "c" && profile == "pair" && slices.Equal(units, []string{"null"})
	})
	pod, ctr := testPod(""), claim("c", "pair", "null")
	adjust, _, err := p.CreateContainer(t.Context(), pod, ctr)
	if err != nil {
		t.Fatal(err)
	}
	devices := adjust.GetLinux().GetDevices()
	if len(devices) != 1 || devices[0].GetPath() != "/dev/null" {
		t.Errorf("got %v", devices)
	}
	if r := p.recorded(t); len(r) != 1 {
		t.Fatalf("records %v", r)
	}
	ctr.Annotations[record.Annotation] = adjust.GetAnnotations()[record.Annotation]
	if err := p.ValidateContainerAdjustment(t.Context(), &api.ValidateContainerAdjustmentRequest{Pod: pod, Container: claim("c", "pair", "null"), Adjust: adjust}); err != nil {
		t.Error(err)
	}
	next := resourcePlugin(t, dir, resourcePolicy, nil)
	if _, err := next.Synchronize(t.Context(), []*api.PodSandbox{pod}, []*api.Container{ctr}); err != nil {
		t.Fatal(err)
	}
	if err := next.StartContainer(t.Context(), pod, ctr); err != nil {
		t.Error(err)
	}
	next.compare(t.Context())
	if _, _, outdated := next.Containers(); len(outdated) > 0 || asked != 1 {
		t.Errorf("outdated %v, the kubelet was asked %d times", outdated, asked)
	}
	for _, p := range []*Plugin{p, next} {
		if got := p.Units(); len(got) != 1 || got["pair"] != 1 {
			t.Errorf("containers have %v", got)
		}
	}
	if err := next.RemoveContainer(t.Context(), pod, ctr); err != nil || len(next.Units()) > 0 {
		t.Errorf("without a container %v, %v", next.Units(), err)
	}
}

// A container claims units of a resource that the kubelet does not confirm. It is
// refused when it is created, and again before it starts.
func TestAttackClaimWithoutAllotment(t *testing.T) {
	no := func(context.Context, *policy.Request, string, []string) bool { return false }
	yes := func(context.Context, *policy.Request, string, []string) bool { return true }
	for name, allotted := range map[string]Allotments{"nobody to ask": nil, "not allotted": no} {
		p := resourcePlugin(t, t.TempDir(), resourcePolicy, allotted)
		for _, units := range []string{"slot-1", "", ",", "slot-1,slot-2", strings.Repeat("x", 1<<16)} {
			for _, profile := range []string{"zero", "pair", "none", ""} {
				ctr := claim("c", profile, units)
				if adjust, _, err := p.CreateContainer(t.Context(), testPod(""), ctr); adjust != nil || code(err) != policy.NotAllotted {
					t.Errorf("%s: %q of %q: %v, %v", name, clip(units), profile, adjust, err)
				}
				if err := p.StartContainer(t.Context(), testPod(""), ctr); code(err) != policy.NotAllotted {
					t.Errorf("%s: %q of %q starts: %v", name, clip(units), profile, err)
				}
			}
		}
	}
	p := resourcePlugin(t, t.TempDir(), resourcePolicy, yes)
	// What the pod's own annotations say is refused although the kubelet allotted something.
	pod := testPod("")
	pod.Annotations[policy.AnnotationResource+"zero"] = "slot-1"
	if _, _, err := p.CreateContainer(t.Context(), pod, claim("d", "zero", "slot-1")); code(err) != policy.NotAllotted {
		t.Errorf("got %v", err)
	}
}

func clip(s string) string { return s[:min(len(s), 20)] }

// Every profile of the policy is judged, also one that is no resource.
func TestProfiles(t *testing.T) {
	const devices = `version = 1
[runtime]
handlers = []
[profiles.there]
devices = [{ path = "/dev/null", access = "rw" }]
[profiles.away]
devices = [{ path = "/dev/nought", access = "rw" }]
[profiles.unit]
devices = [{ path = "/dev/nought", access = "rw" }]
resource.exclusive = true
[[grants]]
namespaces = ["ci"]
profiles = ["there", "away", "mknod"]
`
	for _, tc := range []struct{ name, policy, want string }{
		{"enforced", devices, ""},
		{"in audit, what the node could give", strings.Replace(devices, "version = 1", "version = 1\nmode = \"audit\"", 1), ""},
		{"not registered", devices, "the agent can give nothing: it is not registered with the runtime: it has not registered yet"},
	} {
		p := resourcePlugin(t, t.TempDir(), tc.policy, nil)
		if tc.want == "" {
			p.registered()
		}
		want := map[string]event.Profile{
			"there": {Granted: true, Carried: true},
			"away":  {Granted: true, Why: `would get profile "away", but this node has no device "/dev/nought" [no_device]`},
			"unit":  {Why: "none of its devices is on this node"},
			"mknod": {Granted: true, Why: `would get the capabilities CAP_MKNOD by profile "mknod", which containerd v2.4.2 (NRI 0.12.3) cannot carry`},
		}
		all := p.Profiles()
		for _, have := range all {
			w, ok := want[have.Name]
			if tc.want != "" {
				w.Carried, w.Why = false, tc.want
			}
			if ok && (have.Granted != w.Granted || have.Carried != w.Carried || !strings.HasPrefix(have.Why, w.Why) || have.Carried != (have.Why == "")) {
				t.Errorf("%s: got %+v, want %+v", tc.name, have, w)
			}
			delete(want, have.Name)
		}
		if len(want) > 0 || len(all) < 10 || !slices.IsSortedFunc(all, func(a, b event.Profile) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: without %v: %+v", tc.name, want, all)
		}
	}
}

// The node has what the agent would give to some container.
func TestOffers(t *testing.T) {
	registered := func(p *Plugin) { p.registered() }
	handlers := func(name string, wrapped bool) func(*Plugin) {
		return func(p *Plugin) {
			p.registered()
			p.handlers.Store(&Handlers{Wrapped: map[string]policy.Known[bool]{name: policy.Is(wrapped)}})
		}
	}
	const mknodPolicy = "version = 1\n[profiles.mknod.resource]\nslots = 1\n"
	for _, tc := range []struct {
		name, policy string
		prepare      func(*Plugin)
		want         string // PROFILE UNITS LACKS, a line each
	}{
		{"all is there", resourcePolicy, registered, "pair null,zero \nzero slot-1,slot-2 "},
		{"not registered", resourcePolicy, func(*Plugin) {},
			"pair null,zero the agent can give nothing: it is not registered with the runtime: it has not registered yet\n" +
				"zero slot-1,slot-2 the agent can give nothing: it is not registered with the runtime: it has not registered yet"},
		{"audit", strings.Replace(resourcePolicy, "version = 1", "version = 1\nmode = \"audit\"", 1), registered,
			"pair null,zero the policy's mode is audit, in which nothing is given\nzero slot-1,slot-2 the policy's mode is audit, in which nothing is given"},
		{"no such device", "version = 1\n[profiles.a.resource]\nslots = 1\n[[profiles.a.devices]]\npath = \"/dev/nought\"\naccess = \"rw\"\n", registered,
			`a slot-1 would get profile "a", but this node has no device "/dev/nought" [no_device]`},
		{"no such unit", "version = 1\n[profiles.a.resource]\nexclusive = true\n[[profiles.a.devices]]\npath = \"/dev/nought\"\naccess = \"rw\"\n", registered, "a  "},
		{"one of a list", "version = 1\n[profiles.a.resource]\nexclusive = true\n[[profiles.a.devices]]\npath = [\"/dev/nought\", \"/dev/nul?\"]\naccess = \"rw\"\n", registered, "a null "},
		{"a live directory without a device", "version = 1\n[profiles.a.resource]\nslots = 1\n[[profiles.a.devices]]\npath = \"/dev/nought*\"\nlive = \"/dev/serial\"\naccess = \"rw\"\n", registered,
			`a slot-1 would get profile "a", but this node has no device "/dev/nought*" [no_device]`},
		{"by the wrapper", mknodPolicy, handlers("nodegate", true), "mknod slot-1 "},
		{"by the wrapper, perhaps", mknodPolicy, registered, `mknod slot-1  ?whether runtime handler "nodegate" runs nodegate-runc is not known: the agent is not registered yet`},
		{"by a script, perhaps", mknodPolicy, func(p *Plugin) {
			p.registered()
			p.handlers.Store(&Handlers{Wrapped: map[string]policy.Known[bool]{"nodegate": {}}})
		}, `mknod slot-1  ?whether runtime handler "nodegate" runs nodegate-runc cannot be told from its program`},
		{"by a handler that is not there", mknodPolicy, handlers("runc", false),
			`mknod slot-1 the runtime has no handler "nodegate": run nodegate install on the node, or take it out of runtime.handlers`},
		{"by a handler that runs something else", mknodPolicy, handlers("nodegate", false),
			`mknod slot-1 runtime handler "nodegate" does not run nodegate-runc: run nodegate install on the node, or take it out of runtime.handlers`},
		{"by a default handler that runs something else", strings.Replace(mknodPolicy, "[prof", "[runtime]\nhandlers = [\"\"]\n[prof", 1), handlers("", false),
			`mknod slot-1 the runtime's default handler does not run nodegate-runc: run nodegate install on the node, or take it out of runtime.handlers`},
		{"without need of a handler that is not there", resourcePolicy, handlers("runc", false), "pair null,zero \nzero slot-1,slot-2 "},
		{"without the wrapper", "version = 1\n[runtime]\nhandlers = []\n[profiles.mknod.resource]\nslots = 1\n", registered,
			`mknod slot-1 would get the capabilities CAP_MKNOD by profile "mknod", which containerd v2.4.2 (NRI 0.12.3) cannot carry: `},
		{"no cgroup of any version", "version = 1\n[profiles.a]\nrequires = { cgroup = \"v1\" }\nenv = { A = \"b\" }\n[profiles.a.resource]\nslots = 1\n[profiles.b]\nrequires = { cgroup = \"v2\" }\nenv = { A = \"b\" }\n[profiles.b.resource]\nslots = 1\n", registered,
			"a slot-1 *\nb slot-1 *"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := resourcePlugin(t, t.TempDir(), tc.policy, nil)
			tc.prepare(p)
			var got []string
			unfit := 0
			for _, o := range p.Offers() {
				var ids []string
				for _, u := range o.Units {
					ids = append(ids, u.ID)
				}
				text := fmt.Sprintf("%s %s %s", o.Profile, strings.Join(ids, ","), o.Lacks)
				if o.Unsure != "" {
					text += " ?" + o.Unsure
				}
				got = append(got, text)
				if strings.Contains(o.Lacks, "which requires cgroup v") {
					unfit++
				}
			}
			switch text := strings.Join(got, "\n"); {
			case strings.HasSuffix(tc.want, "*"):
				if unfit != 1 {
					t.Errorf("a node has one version of cgroups: %s", text)
				}
			case text != tc.want && (!strings.HasSuffix(tc.want, ": ") || !strings.HasPrefix(text, tc.want)):
				t.Errorf("got\n%s, want\n%s", text, tc.want)
			}
		})
	}
}

// A device is one container's, whatever units name it: those of two profiles, or of two
// devices that udev gives one name in turn. It is so through a restart of the agent, until
// the container ends.
func TestHeldDevice(t *testing.T) {
	const text = resourcePolicy + `
[profiles.other.resource]
exclusive = true
[[profiles.other.devices]]
path = "/dev/null"
access = "r"
[[grants]]
namespaces = ["ci"]
profiles = ["other"]
`
	dir := t.TempDir()
	start := func() *Plugin {
		p := resourcePlugin(t, dir, text, func(context.Context, *policy.Request, string, []string) bool { return true })
		p.registered()
		return p
	}
	held := func(p *Plugin) (all []string) {
		for _, o := range p.Offers() {
			for _, u := range o.Units {
				if u.Held {
					all = append(all, o.Profile+" "+u.ID)
				}
			}
		}
		return all
	}
	pod, first := testPod(""), claim("first", "pair", "null")
	p := start()
	adjust, _, err := p.CreateContainer(t.Context(), pod, first)
	if err != nil {
		t.Fatal(err)
	}
	first.Annotations[record.Annotation] = adjust.GetAnnotations()[record.Annotation]
	next := start()
	if _, err := next.Synchronize(t.Context(), []*api.PodSandbox{pod}, []*api.Container{first}); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*Plugin{"the agent": p, "the next agent": next} {
		if _, _, err := p.CreateContainer(t.Context(), pod, claim("second", "other", "null")); code(err) != policy.NoDevice {
			t.Errorf("%s gives the device to a second container: %v", name, err)
		}
		if got := held(p); !slices.Equal(got, []string{"other null"}) {
			t.Errorf("%s: held units %q", name, got)
		}
		if _, _, err := p.CreateContainer(t.Context(), pod, claim("again", "pair", "null")); err != nil {
			t.Errorf("%s refuses the unit's own container, which starts again: %v", name, err)
		}
		for _, id := range []string{"first", "again"} {
			if _, err := p.StopContainer(t.Context(), pod, testContainer(id)); err != nil {
				t.Fatal(err)
			}
		}
		if got := held(p); len(got) > 0 {
			t.Errorf("%s: held units %q, and nobody runs", name, got)
		}
		if _, _, err := p.CreateContainer(t.Context(), pod, claim("second", "other", "null")); err != nil {
			t.Errorf("%s keeps the device of a container that has ended: %v", name, err)
		}
	}
}
