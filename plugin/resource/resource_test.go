// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kubelet "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

const kvm = "nodegate.dev/kvm"

// agent is a server that offers what a test says.
type agent struct {
	*Server
	mu     sync.Mutex
	offer  []Offer
	unfit  string
	cancel context.CancelFunc
	ended  chan struct{}
}

func startAgent(t *testing.T, dir, state string, offer ...Offer) *agent {
	t.Helper()
	a := &agent{Server: New(dir, state), offer: offer, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	a.cancel = cancel
	go func() {
		defer close(a.ended)
		a.Run(ctx, a.now, func() string { a.mu.Lock(); defer a.mu.Unlock(); return a.unfit })
	}()
	t.Cleanup(a.stop)
	return a
}

func (a *agent) stop() { a.cancel(); <-a.ended }

func (a *agent) now() []Offer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.offer
}

func (a *agent) set(offer ...Offer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offer = offer
}

// slots is an offer of slots; lacks says what is missing.
func slots(profile string, n int, lacks string) Offer {
	o := Offer{Profile: profile, Lacks: lacks}
	for i := range n {
		o.Units = append(o.Units, Unit{ID: fmt.Sprintf("slot-%d", i+1)})
	}
	return o
}

func sticks(ids ...string) Offer {
	o := Offer{Profile: "serial", Exclusive: true}
	for _, id := range ids {
		o.Units = append(o.Units, Unit{ID: id, NUMA: []int64{1}})
	}
	return o
}

// places are the kubelet's directory for plugins and the agent's for its state.
func places(t *testing.T) (dir, state string) {
	t.Helper()
	root, err := os.MkdirTemp("", "kubelet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	dir, state = filepath.Join(root, "device-plugins"), filepath.Join(root, "state")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	return dir, state
}

func sockets(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(dir + "/nodegate-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// One conversation, from the registration to the container's creation.
func TestConversation(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	a := startAgent(t, dir, state, slots("kvm", 3, ""), sticks("serial/by-id/a"))
	k.eventually(kvm, 3, 10*time.Second)
	k.eventually("nodegate.dev/serial", 1, 10*time.Second)
	if n := k.known("nodegate.dev/serial")[0].GetTopology().GetNodes(); len(n) != 1 || n[0].GetID() != 1 {
		t.Errorf("NUMA nodes %v", n)
	}
	c := k.client(kvm)
	if !c.options.GetPreStartRequired() {
		t.Error("the kubelet is not asked to ask before each container")
	}
	ctx := t.Context()
	ids := []string{"slot-3", "slot-1"}
	r, err := c.Allocate(ctx, &kubelet.AllocateRequest{ContainerRequests: []*kubelet.ContainerAllocateRequest{{DevicesIds: ids}}})
	if err != nil {
		t.Fatal(err)
	}
	given := r.GetContainerResponses()[0]
	if want := map[string]string{"resource.nodegate.dev/kvm": "slot-1,slot-3"}; !maps.Equal(given.GetAnnotations(), want) || len(given.GetDevices())+len(given.GetMounts())+len(given.GetEnvs()) > 0 {
		t.Errorf("allocated %v", given)
	}
	app := Container{"ci", "p", "app"}
	if a.Allotted(ctx, app, "kvm", ids) {
		t.Error("allotted before the kubelet said so")
	}
	a.mu.Lock()
	a.unfit = "not registered"
	a.mu.Unlock()
	if _, err := c.PreStartContainer(ctx, &kubelet.PreStartContainerRequest{DevicesIds: ids}); err == nil || !strings.Contains(err.Error(), "not registered") {
		t.Errorf("an agent that can give nothing lets the container start: %v", err)
	}
	a.mu.Lock()
	a.unfit = ""
	a.mu.Unlock()
	if _, err := c.PreStartContainer(ctx, &kubelet.PreStartContainerRequest{DevicesIds: ids}); err != nil {
		t.Fatal(err)
	}
	if !a.Allotted(ctx, app, "kvm", []string{"slot-1", "slot-3"}) {
		t.Error("not allotted")
	}
	a.stop()
	if left := sockets(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// What goes away makes units unhealthy within a second, and what comes back healthy. A busy
// machine may take five.
func TestHealth(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	a := startAgent(t, dir, state, slots("kvm", 3, ""), sticks("a", "b"))
	k.eventually(kvm, 3, 10*time.Second)
	k.eventually("nodegate.dev/serial", 2, 10*time.Second)
	a.set(slots("kvm", 3, "this node has no device"), sticks("b"))
	t.Log("unhealthy after ", k.eventually(kvm, 0, 5*time.Second))
	k.eventually("nodegate.dev/serial", 1, 10*time.Second)
	if got := len(k.known("nodegate.dev/serial")); got != 2 {
		t.Errorf("the kubelet knows of %d adapters", got)
	}
	soon(t, "the status", func() error {
		if s := a.Status(); s[0].Why != "this node has no device" || s[0].Healthy != 0 || s[0].Units != 3 || !s[0].Registered || s[1].Healthy != 1 || s[1].Why != "" {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	a.set(slots("kvm", 5, ""), sticks("b", "a"))
	t.Log("healthy after ", k.eventually(kvm, 5, 5*time.Second))
	k.eventually("nodegate.dev/serial", 2, 10*time.Second)
	a.set(slots("kvm", 5, ""))
	k.eventually("nodegate.dev/serial", 0, 10*time.Second)
	soon(t, "the sockets", func() error { // the kubelet is told first
		if left := sockets(t, dir); len(left) != 1 {
			return fmt.Errorf("%q", left)
		}
		return nil
	})
}

// soon tries for as long as a busy machine may take.
func soon(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Errorf("%s: %v", what, err)
}

// Twenty unplugs a second, by names that come again and by ever new ones: the last counts,
// the kubelet is not told of the resource anew, and what is gone is not kept without end.
func TestUnplugs(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	a := startAgent(t, dir, state, sticks("a", "b"))
	k.eventually("nodegate.dev/serial", 2, 10*time.Second)
	for i := range 20 {
		a.set(sticks("b", fmt.Sprint("new-", i)))
		a.Check()
		time.Sleep(25 * time.Millisecond)
		a.set(sticks("a", "b"))
		a.Check()
		time.Sleep(25 * time.Millisecond)
	}
	k.eventually("nodegate.dev/serial", 2, 10*time.Second)
	k.mu.Lock()
	if len(k.endpoints) != 1 || k.drops != 0 {
		t.Errorf("told %d times, dropped %d times", len(k.endpoints), k.drops)
	}
	k.mu.Unlock()

	var before []*kubelet.Device
	for i := range 2 * maxGone {
		before = append(before, &kubelet.Device{ID: fmt.Sprint("gone-", i), Health: kubelet.Healthy})
	}
	o := sticks("here")
	if got := o.devices(before); len(got) != maxGone+1 || healthy(got) != 1 {
		t.Errorf("%d devices, %d healthy", len(got), healthy(got))
	}
}

// Without a resource there is neither a socket nor a timer; one may come with a new policy.
func TestNothingOffered(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	a := startAgent(t, dir, state)
	time.Sleep(2 * period)
	if len(sockets(t, dir)) > 0 || len(a.Status()) > 0 {
		t.Errorf("sockets %q, status %v", sockets(t, dir), a.Status())
	}
	a.set(slots("kvm", 5000, ""))
	a.Check()
	k.eventually(kvm, 5000, 10*time.Second)
}

// Without a kubelet to tell, the node is looked at once and not all the time.
func TestSwitchedOff(t *testing.T) {
	_, state := places(t)
	var looks atomic.Int32
	a := &agent{Server: New("", state), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	a.cancel = cancel
	go func() {
		defer close(a.ended)
		a.Run(ctx, func() []Offer { looks.Add(1); return []Offer{slots("kvm", 3, "")} }, func() string { return "" })
	}()
	t.Cleanup(a.stop)
	for len(a.Status()) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(3 * period)
	if n := looks.Load(); n != 1 {
		t.Errorf("it looked %d times", n)
	}
	if s := a.Status(); len(s) != 1 || s[0].Registered || s[0].Why != `kubelet.plugin_dir is "", so the kubelet is not told` {
		t.Errorf("status %+v", s)
	}
	a.Check()
	for looks.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
}

// A kubelet that is started again knows nothing, and has removed the sockets.
func TestKubeletRestart(t *testing.T) {
	dir, state := places(t)
	a := startAgent(t, dir, state, slots("kvm", 3, ""))
	soon(t, "without a kubelet", func() error {
		if s := a.Status(); len(s) != 1 || s[0].Registered || !strings.HasPrefix(s[0].Why, "no kubelet listens in "+dir) {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	for range 3 {
		k := startKubelet(t, dir)
		t.Log("told after ", k.eventually(kvm, 3, 5*time.Second))
		k.stop()
	}
	// The directory goes and comes as well, as when it is mounted later.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * period)
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	startKubelet(t, dir).eventually(kvm, 3, 10*time.Second)
}

// Of two agents the kubelet asks the newer one. Whichever ends, the other one is asked
// after a moment, and says what it said before.
func TestTwoAgents(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	old := startAgent(t, dir, state, slots("kvm", 3, ""))
	k.eventually(kvm, 3, 10*time.Second)
	asked := func() string { k.mu.Lock(); defer k.mu.Unlock(); return k.endpoints[len(k.endpoints)-1] }
	first := asked()
	newer := startAgent(t, dir, state, slots("kvm", 3, ""))
	for asked() == first {
		time.Sleep(time.Millisecond)
	}
	second := asked()
	time.Sleep(period)
	old.stop()
	time.Sleep(5 * time.Millisecond) // until the kubelet has let go
	gap := k.eventually(kvm, 3, 5*time.Second)
	t.Log("the older one ended: nobody to ask for ", gap+5*time.Millisecond)
	if asked() != second {
		t.Errorf("the kubelet asks %s, want %s", asked(), second)
	}
	third := startAgent(t, dir, state, slots("kvm", 3, ""))
	for asked() == second {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(3 * period) // an agent that just registered is asked already
	third.stop()
	for asked() != second {
		time.Sleep(time.Millisecond)
	}
	k.eventually(kvm, 3, 10*time.Second)
	newer.set(slots("kvm", 4, ""))
	k.eventually(kvm, 4, 10*time.Second)
}

// A busy kubelet hears of an agent's end when the other one has registered already, and lets
// go of that: it is told once more.
func TestPeerEndsLate(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	startAgent(t, dir, state, slots("kvm", 3, ""))
	k.eventually(kvm, 3, 10*time.Second)
	newer := startAgent(t, dir, state, slots("kvm", 3, ""))
	told := func() int { k.mu.Lock(); defer k.mu.Unlock(); return len(k.endpoints) }
	for told() < 2 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(3 * period) // until both know of each other
	k.mu.Lock()
	k.busy = 3 * period / 2
	k.mu.Unlock()
	newer.stop()
	for told() < 3 {
		time.Sleep(time.Millisecond)
	}
	soon(t, "the kubelet lets go", func() error {
		if n := k.allocatable(kvm); n > 0 {
			return fmt.Errorf("%d devices", n)
		}
		return nil
	})
	k.eventually(kvm, 3, 20*time.Second)
}

// An agent that was killed leaves its socket, and the next one removes it.
func TestKilledAgent(t *testing.T) {
	dir, state := places(t)
	k := startKubelet(t, dir)
	dead := filepath.Join(dir, "nodegate-dead.sock")
	other := filepath.Join(dir, "other.sock")
	for _, name := range []string{dead, other} {
		s := New(dir, state)
		e, err := s.listen(&Offer{Profile: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Link(e.socket, name); err != nil {
			t.Fatal(err)
		}
		e.close()
	}
	startAgent(t, dir, state, slots("kvm", 3, ""))
	k.eventually(kvm, 3, 10*time.Second)
	for until := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		left := sockets(t, dir)
		if len(left) == 1 && left[0] != dead {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("sockets %q", left)
		}
	}
	if _, err := os.Lstat(other); err != nil {
		t.Error("the socket of another device plugin is gone")
	}
}

// A container claims units that the kubelet allotted to another container, at another
// time or twice. A claim counts only for its own container, for these units, and once.
func TestAttackClaims(t *testing.T) {
	dir, state := places(t)
	s := New(dir, state)
	ctx := t.Context()
	app := Container{"ci", "p", "app"}
	arm := func(profile string, units ...string) {
		t.Helper()
		if err := s.allotted.arm(profile, units); err != nil {
			t.Fatal(err)
		}
	}
	is := func(what string, want bool, profile string, units ...string) {
		t.Helper()
		if got := s.Allotted(ctx, app, profile, units); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	is("nothing armed", false, "kvm", "slot-1")
	arm("kvm", "slot-1")
	is("another profile", false, "tun", "slot-1")
	is("another unit", false, "kvm", "slot-2")
	is("one more", false, "kvm", "slot-1", "slot-2")
	is("none", false, "kvm")
	is("a path", false, "../kvm", "../../slot-1")
	is("itself", true, "kvm", "slot-1")
	is("itself again", false, "kvm", "slot-1")
	arm("kvm", "slot-1")
	for what, at := range map[string]time.Time{
		"long ago":                      time.Now().Add(-armedFor - time.Second),
		"before the clock was set back": time.Now().Add(armedFor + time.Minute),
	} {
		if err := os.Chtimes(s.allotted.file("kvm", []string{"slot-1"}), at, at); err != nil {
			t.Fatal(err)
		}
		is(what, false, "kvm", "slot-1")
		arm("kvm", "slot-1")
	}
	var got sync.Map
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if New(dir, state).Allotted(ctx, app, "kvm", []string{"slot-1"}) {
				got.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	got.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d of 50 took what was for one", n)
	}

	// Where the kubelet can be asked, its answer about this very container decides.
	k := startKubelet(t, dir)
	k.servePodResources(map[string]*podresources.PodResources{
		"ci/p": {Containers: []*podresources.ContainerResources{{Name: "app", Devices: []*podresources.ContainerDevices{{ResourceName: kvm, DeviceIds: []string{"slot-2", "slot-1"}}}}, {Name: "side"}}},
	})
	is("the kubelet confirms", true, "kvm", "slot-1", "slot-2")
	is("and again: the container may be created again", true, "kvm", "slot-1", "slot-2")
	arm("kvm", "slot-1")
	is("armed for another container", false, "kvm", "slot-1")
	app.Name = "side"
	arm("kvm", "slot-1", "slot-2")
	is("armed for the pod's other container", false, "kvm", "slot-1", "slot-2")
	app.Name = "init"
	arm("kvm", "slot-1", "slot-2")
	is("an init container, of which the kubelet does not say", true, "kvm", "slot-1", "slot-2")
	app.Pod = "unknown"
	is("a pod that the kubelet does not have", false, "kvm", "slot-1", "slot-2")
}

// Once the kubelet knows a resource, what telling it took can be given back; again where
// the kubelet is another one.
func TestRegistered(t *testing.T) {
	dir := t.TempDir()
	s := New(dir, t.TempDir())
	registered := make(chan struct{}, 100)
	s.Registered(func() { registered <- struct{}{} })
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func() []Offer { return []Offer{{Profile: "kvm", Units: []Unit{{ID: "slot-1"}}}} }, func() string { return "" })
	}()
	defer func() { end(); <-done }()
	for range 2 {
		k := startKubelet(t, dir)
		select {
		case <-registered:
		case <-time.After(time.Minute):
			t.Fatal("nothing was registered")
		}
		k.eventually("nodegate.dev/kvm", 1, time.Minute)
		k.stop()
	}
}
