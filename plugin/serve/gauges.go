// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nodegate/nodegate/plugin/policy"
)

// gauges are the metrics that the agent is asked for at each scrape.
type gauges struct {
	agent *Agent
	desc  map[string]*prometheus.Desc
}

func newGauges(a *Agent) *gauges {
	g := &gauges{agent: a, desc: map[string]*prometheus.Desc{}}
	add := func(name, help string, labels ...string) {
		g.desc[name] = prometheus.NewDesc(name, help, labels, nil)
	}
	add("nodegate_build_info", "1, with the agent's version.", "version")
	add("nodegate_policy_info", "1, with the hash and the mode of the policy in force.", "hash", "mode")
	add("nodegate_policy_loaded_timestamp_seconds", "When the policy in force was loaded.")
	add("nodegate_policy_reload_failed", "1 if the files hold a policy with errors, and the former one stays.")
	add("nodegate_policy_reloads_total", "Changed policies, by result: replaced or failed.", "result")
	add("nodegate_registered", "1 while the agent is registered with the runtime.")
	add("nodegate_registrations_total", "Registrations with the runtime; each after the first is a reconnect.")
	add("nodegate_registration_failures_total", "Registrations that failed because pods or containers are too large.")
	add("nodegate_runtime_info", "1, with the runtime's name, version and NRI level.", "runtime")
	add("nodegate_unmatched_total", "Containers that no grant matched.")
	add("nodegate_containers", "Containers on the node that run or are about to.")
	add("nodegate_containers_adjusted", "Containers on the node that were given something.")
	add("nodegate_containers_outdated", "Containers on the node that are outdated.")
	add("nodegate_containers_found_outdated_total", "Containers found outdated since the agent's start.")
	add("nodegate_records", "Decision records on the node.")
	add("nodegate_shadowed_containers", "Containers that have shadow nodes.")
	add("nodegate_audit_errors_total", "Lost lines of the audit log, by why: failed, or dropped since too many waited.", "why")
	add("nodegate_resource_units", "Units of a profile that is a resource.", "resource")
	add("nodegate_resource_units_healthy", "Units of a resource that can be had.", "resource")
	add("nodegate_resource_units_allotted", "Units of a resource that containers have.", "resource")
	add("nodegate_resource_registered", "1 while the kubelet is told of a resource.", "resource")
	add("nodegate_live_devices_total", "Device nodes of live directories, by change: appeared or removed.", "change")
	return g
}

// Describe is prometheus.Collector's.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range g.desc {
		out <- d
	}
}

// Collect is prometheus.Collector's.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	gauge := func(name string, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(g.desc[name], prometheus.GaugeValue, v, labels...)
	}
	counter := func(name string, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(g.desc[name], prometheus.CounterValue, float64(v), labels...)
	}
	p, pol := g.agent.Plugin, g.agent.Policy()
	state, stats := p.State(), p.Stats()
	gauge("nodegate_build_info", 1, g.agent.Version)
	gauge("nodegate_policy_info", 1, pol.Hash, pol.Mode)
	gauge("nodegate_policy_loaded_timestamp_seconds", float64(pol.LoadedAt.UnixMilli())/1000)
	gauge("nodegate_policy_reload_failed", one(pol.Failed != ""))
	counter("nodegate_policy_reloads_total", stats.Reloads.Load(), "replaced")
	counter("nodegate_policy_reloads_total", stats.ReloadFailures.Load(), "failed")
	gauge("nodegate_registered", one(!state.Since.IsZero()))
	counter("nodegate_registrations_total", stats.Synchronized.Load())
	counter("nodegate_registration_failures_total", stats.RegistrationFailures.Load())
	if state.Runtime != "" {
		gauge("nodegate_runtime_info", 1, state.Runtime)
	}
	counter("nodegate_unmatched_total", stats.Unmatched.Load())
	all, adjusted, outdated := p.Containers()
	gauge("nodegate_containers", float64(all))
	gauge("nodegate_containers_adjusted", float64(adjusted))
	gauge("nodegate_containers_outdated", float64(len(outdated)))
	counter("nodegate_containers_found_outdated_total", stats.Outdated.Load())
	if records, shadowed, err := p.OnDisk(); err == nil { // what cannot be counted is not 0
		gauge("nodegate_records", float64(records))
		gauge("nodegate_shadowed_containers", float64(shadowed))
	}
	failed, dropped := g.agent.AuditErrors()
	counter("nodegate_audit_errors_total", failed, "failed")
	counter("nodegate_audit_errors_total", dropped, "dropped")
	appeared, removed := p.LiveNodes()
	counter("nodegate_live_devices_total", appeared, "appeared")
	counter("nodegate_live_devices_total", removed, "removed")
	g.resources(gauge)
}

// resources are the policy's own names, of which there are few.
func (g *gauges) resources(gauge func(string, float64, ...string)) {
	if g.agent.Resources == nil {
		return
	}
	allotted := g.agent.Plugin.Units()
	for _, r := range g.agent.Resources() {
		gauge("nodegate_resource_units", float64(r.Units), r.Name)
		gauge("nodegate_resource_units_healthy", float64(r.Healthy), r.Name)
		gauge("nodegate_resource_units_allotted", float64(allotted[strings.TrimPrefix(r.Name, policy.ResourceDomain)]), r.Name)
		gauge("nodegate_resource_registered", one(r.Registered), r.Name)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
