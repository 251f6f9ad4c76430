// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/containerd/log"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
)

const (
	// period is how often the node is looked at while there is something to offer. It
	// finds whatever goes away or comes back: devices, the kubelet, its directory.
	period = 500 * time.Millisecond
	// settle is left to a kubelet that has let go of an endpoint, before it is told of
	// it again.
	settle = 20 * time.Millisecond
	// late is by when a kubelet has heard of another agent's end. What was registered
	// before it did, it has let go of.
	late = 2 * time.Second
)

// Server is the agent as the kubelet sees it. Make one with New.
type Server struct {
	dir          string // of the kubelet, for device plugins; "" for none
	podResources string // the kubelet's socket for questions
	allotted     allotted
	offers       func() []Offer
	notReady     func() string
	kick         chan struct{}
	registered   func()

	endpoints map[string]*endpoint // by profile; Run's alone
	kubelet   identity             // that the endpoints are registered with
	failed    map[string]string    // why, by profile
	peers     map[string]bool      // sockets of another agent
	again     time.Time            // when to register once more, since another agent ended
	told      bool                 // the kubelet of something, by the last step

	mu     sync.Mutex
	status []event.Resource
}

// New makes a server for the kubelet that listens in dir. state is a directory of root's,
// which outlives the agent.
func New(dir, state string) *Server {
	return &Server{dir: dir, podResources: filepath.Join(filepath.Dir(dir), "pod-resources", "kubelet.sock"),
		allotted: allotted{filepath.Join(state, "allotted")}, kick: make(chan struct{}, 1),
		endpoints: map[string]*endpoint{}, failed: map[string]string{}}
}

func (s *Server) kubeletSocket() string { return filepath.Join(s.dir, "kubelet.sock") }

// Check has the node looked at now.
func (s *Server) Check() {
	select {
	case s.kick <- struct{}{}:
	default: // is about to be
	}
}

// Status is what there is of each resource.
func (s *Server) Status() []event.Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.status)
}

// Registered has f called whenever the kubelet has been told of resources, and has asked
// about them. It is for before Run.
func (s *Server) Registered(f func()) { s.registered = f }

// Run keeps the kubelet told of what there is until ctx ends. notReady says why the agent
// could not give anything; "" if it can. Where there is nothing to offer, or no kubelet to
// tell, it waits for Check.
func (s *Server) Run(ctx context.Context, offers func() []Offer, notReady func() string) {
	s.offers, s.notReady = offers, notReady
	defer s.closeAll()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.kick:
			time.Sleep(settle)
		}
		before := s.told
		if s.step(ctx) > 0 && s.dir != "" {
			timer.Reset(period)
		}
		if before && !s.told && s.registered != nil {
			s.registered()
		}
	}
}

// step looks at the node once, and returns how many resources there are.
func (s *Server) step(ctx context.Context) int {
	offers := s.offers()
	s.told = false
	for profile, e := range s.endpoints {
		if !slices.ContainsFunc(offers, func(o Offer) bool { return o.Profile == profile }) {
			e.close()
			delete(s.endpoints, profile)
		}
	}
	status := make([]event.Resource, 0, len(offers))
	if len(offers) > 0 {
		s.allotted.sweep()
	}
	absent := s.meet()
	if len(offers) > 0 {
		s.renewAfterPeers(time.Now())
	}
	for i := range offers {
		o := &offers[i]
		why := absent
		if why == "" {
			why = s.offer(ctx, o)
		}
		status = append(status, s.statusOf(o, why))
		s.say(ctx, o.Profile, status[i].Why, status[i].Unsure)
	}
	s.mu.Lock()
	s.status = status
	s.mu.Unlock()
	return len(offers)
}

// identity tells one socket from the next at the same path.
type identity struct {
	dev, ino uint64
	changed  unix.Timespec
}

// meet looks for the kubelet, and lets go of one that has gone. It says why there is none.
func (s *Server) meet() string {
	if s.dir == "" {
		return `kubelet.plugin_dir is "", so the kubelet is not told`
	}
	var st unix.Stat_t
	err := unix.Stat(s.kubeletSocket(), &st)
	now := identity{uint64(st.Dev), st.Ino, st.Ctim} //nolint:unconvert // differs by architecture
	if err != nil {
		now = identity{}
	}
	if now != s.kubelet {
		s.closeAll() // a kubelet that starts has removed the sockets
		s.kubelet = now
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Sprintf("no kubelet listens in %s: is it where this node has it, and does the agent see it?", s.dir)
	case err != nil:
		return fmt.Sprintf("looking for the kubelet: %s: %s", s.kubeletSocket(), err)
	}
	return ""
}

// offer keeps one endpoint as it has to be, and says what is in the way.
func (s *Server) offer(ctx context.Context, o *Offer) string {
	e := s.endpoints[o.Profile]
	if e != nil && !e.there() {
		e.close()
		e = nil
	}
	if e == nil {
		var err error
		if e, err = s.listen(o); err != nil {
			delete(s.endpoints, o.Profile)
			return err.Error()
		}
		s.endpoints[o.Profile] = e
	}
	e.set(o)
	if e.unknown() {
		if err := e.register(ctx); err != nil {
			return err.Error()
		}
		s.told = true
		log.G(ctx).WithField("resource", policy.ResourceDomain+o.Profile).Info("the kubelet is told of a resource")
	}
	return ""
}

func (s *Server) statusOf(o *Offer, why string) event.Resource {
	r := event.Resource{Name: policy.ResourceDomain + o.Profile, Units: len(o.Units), Why: why, Registered: why == "", Unsure: o.unsure()}
	if why == "" {
		r.Why = o.Lacks
	}
	if e := s.endpoints[o.Profile]; e != nil {
		devices, _ := e.offered()
		r.Units = len(devices)
		if why == "" {
			r.Healthy = healthy(devices)
		}
	}
	switch {
	case r.Why != "" || r.Healthy > 0:
	case r.Unsure != "":
		r.Why, r.Unsure = r.Unsure, ""
	default:
		r.Why = "this node has no such device"
	}
	return r
}

// say logs what keeps a resource from being offered, once.
func (s *Server) say(ctx context.Context, profile, why, unsure string) {
	now := why + unsure
	if now == s.failed[profile] {
		return
	}
	s.failed[profile] = now
	entry := log.G(ctx).WithField("resource", policy.ResourceDomain+profile)
	switch {
	case why != "":
		entry.Warn("no unit of the resource can be had: " + why)
	case unsure != "":
		entry.Warn("the resource is offered, but " + unsure)
	default:
		entry.Info("the resource is offered")
	}
}

func (s *Server) closeAll() {
	for profile, e := range s.endpoints {
		e.close()
		delete(s.endpoints, profile)
	}
}
