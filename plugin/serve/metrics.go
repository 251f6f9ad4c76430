// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/nodegate/nodegate/plugin/event"
)

// metrics counts events, and asks the agent for the rest when it is asked.
//
// No label is in the hand of a pod's author, and those that others can make
// many of are bounded: what comes after the first maxLabels is "other".
type metrics struct {
	registry   *prometheus.Registry
	decisions  *prometheus.CounterVec
	profiles   *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	took       prometheus.Histogram
	namespaces labels
	given      labels
}

// maxLabels bounds the series of one metric that namespaces or profiles make.
const maxLabels = 200

// other stands for all that came too late for a label of its own.
const other = "other"

// labels remembers which values have a series.
type labels struct {
	mu   sync.Mutex
	seen map[string]bool
}

// has reports whether a value has a series or may have one.
func (l *labels) has(value string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	if len(l.seen) < maxLabels {
		l.seen[value] = true
	}
	return l.seen[value]
}

func newMetrics(a *Agent) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nodegate_decisions_total",
			Help: "Containers that a grant matched, by result (adjusted, refused, nothing; in audit mode would_be_adjusted, would_be_refused) and namespace."},
			[]string{"result", "namespace"}),
		profiles: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nodegate_profiles_given_total",
			Help: "Profiles given to containers, by profile and namespace."}, []string{"profile", "namespace"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "nodegate_refusals_total",
			Help: "Containers refused, by code; in audit mode those that would have been."}, []string{"reason"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "nodegate_decision_duration_seconds",
			Help:    "Time that the agent took for a container that a grant matched.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2}}),
	}
	m.registry.MustRegister(m.decisions, m.profiles, m.refusals, m.took, newGauges(a),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// event is an [event.Observer].
func (m *metrics) event(_ context.Context, o *event.Event) {
	if o.Result == event.Outdated {
		return // counted by the plugin
	}
	namespace := strings.ToValidUTF8(o.Namespace, "\uFFFD") // a label that is not is a panic
	if !m.namespaces.has(namespace) {
		namespace = other
	}
	result := string(o.Result)
	if o.Audit && o.Result != event.Nothing {
		result = "would_be_" + result
	}
	m.decisions.WithLabelValues(result, namespace).Inc()
	if o.Took > 0 {
		m.took.Observe(o.Took.Seconds())
	}
	if o.Result == event.Refused {
		m.refusals.WithLabelValues(string(o.Code)).Inc()
		return
	}
	if o.Audit {
		return // nothing was given
	}
	for _, profile := range o.Profiles {
		if m.given.has(profile + " " + namespace) {
			m.profiles.WithLabelValues(profile, namespace).Inc()
		} else {
			m.profiles.WithLabelValues(other, other).Inc()
		}
	}
}
