// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/containerd/log"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/nodegate/nodegate/plugin/event"
)

// Who asks gets an answer soon or none: an agent has little to say.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = time.Minute
	maxHeader    = 8 << 10 // bytes
	maxAtOnce    = 32      // requests; more are told to come back
	// maxConnections is for TCP, where anybody may connect: more wait until one
	// of these ends, and cost the agent nothing.
	maxConnections = 128
	retry          = time.Second
)

// Server answers for an agent.
type Server struct {
	agent   Agent
	recent  *recent
	metrics *metrics
}

// New makes a server that listens to the plugin's events from now on.
func New(a Agent) *Server {
	s := &Server{agent: a, recent: newRecent()}
	s.metrics = newMetrics(&s.agent)
	a.Plugin.Observe(s.recent.event, s.metrics.event)
	return s
}

// Run listens at each address, "unix:///path" or "tcp://host:port", until ctx ends.
// Where it cannot, it says so once and keeps trying: an agent that nobody can ask
// still does its work.
func (s *Server) Run(ctx context.Context, addresses ...string) {
	var all sync.WaitGroup
	for _, address := range addresses {
		all.Go(func() { s.keep(ctx, address) })
	}
	all.Wait()
}

// keep listens at one address until ctx ends.
func (s *Server) keep(ctx context.Context, address string) {
	said := ""
	for ctx.Err() == nil {
		err := s.serve(ctx, address)
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			log.G(ctx).WithError(err).Warnf("cannot listen on %s; retrying", address)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry):
		}
	}
}

// serve serves until ctx ends, or until the address has to be taken again.
func (s *Server) serve(ctx context.Context, address string) error {
	path, isUnix := strings.CutPrefix(address, "unix://")
	server := &http.Server{Handler: s.handler(isUnix), ReadTimeout: readTimeout, ReadHeaderTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: nil}
	var l net.Listener
	lost := make(<-chan struct{}) // never
	if isUnix {
		sock, err := listenUnix(path)
		if err != nil {
			return err
		}
		defer sock.close()
		watch, cancel := context.WithCancel(ctx)
		defer cancel()
		l, lost = sock.Listener, sock.lost(watch)
	} else {
		var err error
		if l, err = net.Listen("tcp", strings.TrimPrefix(address, "tcp://")); err != nil {
			return err
		}
		l = netutil.LimitListener(l, maxConnections)
	}
	log.G(ctx).WithField("address", address).Debug("serving")
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-lost:
	case <-ctx.Done():
	}
	shut, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(shut); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

// handler answers everything over a Unix socket, which is root's. Over TCP it
// leaves out what names pods and quotes their authors.
func (s *Server) handler(all bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	if all {
		mux.HandleFunc("GET /decisions", func(w http.ResponseWriter, _ *http.Request) {
			sayJSON(w, map[string]any{"decisions": s.recent.lastDecisions()})
		})
		mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { sayJSON(w, s.Status()) })
	}
	slots := make(chan struct{}, maxAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			mux.ServeHTTP(w, r)
		default:
			say(w, http.StatusServiceUnavailable, "too many requests at once")
		}
	})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if why := s.agent.ready(); why != "" {
		say(w, http.StatusServiceUnavailable, why)
		return
	}
	say(w, http.StatusOK, strings.TrimSpace("ready\n"+s.agent.remark()))
}

// Status gathers what is known.
func (s *Server) Status() Status {
	state, stats := s.agent.Plugin.State(), s.agent.Plugin.Stats()
	all, adjusted, outdated := s.agent.Plugin.Containers()
	why := s.agent.ready()
	if outdated == nil {
		outdated = []*event.Event{} // [] in JSON, and not null
	}
	var resources []event.Resource
	if s.agent.Resources != nil {
		resources = s.agent.Resources()
	}
	return Status{
		Version: s.agent.Version, PID: os.Getpid(), Started: s.agent.Started,
		Ready: why == "", NotReady: why, RegisteredSince: state.Since, Registrations: stats.Synchronized.Load(), Runtime: state.Runtime,
		Policy: s.agent.Policy(), Resources: resources, Profiles: s.agent.Plugin.Profiles(),
		Containers: Containers{All: all, Adjusted: adjusted, Outdated: len(outdated)},
		Decisions:  Decisions{Adjusted: stats.Adjusted.Load(), Refused: stats.Refused.Load(), Unmatched: stats.Unmatched.Load()},
		Refusals:   s.recent.lastRefusals(), Outdated: outdated,
	}
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	fmt.Fprintln(w, text)
}

func sayJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(v) // who asked has gone
}
