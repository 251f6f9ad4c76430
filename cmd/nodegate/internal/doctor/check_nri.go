// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nodegate/nodegate/plugin/change"
)

func checkNRI(f *Facts) []Finding {
	s, t := f.Containerd.Value.NRI, f.terms()
	switch {
	case !f.Containerd.OK() && f.NRI.Value.Listening:
		return one(OK, "on: its socket is there", "")
	case !f.Containerd.OK():
		return cannotTell(f.Containerd.Unknown)
	case s.Disabled:
		return one(Problem, "off: no agent can connect", fmt.Sprintf(
			"write %s under %s in %s and restart %s, or run nodegate install", t.on, t.nri, where(f), t.unit))
	case s.NoConnections:
		return one(Problem, "on, but only for plugins that "+t.name+" starts itself: no agent can connect", fmt.Sprintf(
			"write %s under %s in %s and restart %s", t.connect, t.nri, where(f), t.unit))
	}
	return one(OK, "on", "")
}

func checkSocket(f *Facts) []Finding {
	theirs := f.Containerd.Value.NRI.Socket
	switch {
	case f.Containerd.OK() && !f.Policy.InContainer && shortPath(theirs) != shortPath(f.Policy.Socket):
		return one(Problem, fmt.Sprintf("%s's is %s, and the agent connects to %s", f.terms().name, theirs, f.Policy.Socket),
			fmt.Sprintf("write socket = %q under [nri] in %s and start the agent again", theirs, f.Policy.Path))
	case !f.NRI.OK():
		return cannotTell(f.NRI.Unknown)
	case f.NRI.Value.Listening:
		return one(OK, fmt.Sprintf("%s, connections: %d", f.NRI.Value.Path, f.NRI.Value.Plugins), "")
	case f.Containerd.OK() && f.Containerd.Value.NRI.Disabled:
		return one(Problem, f.NRI.Value.Path+": nothing listens there, as NRI is off", "switch NRI on, see nri")
	}
	return one(Problem, f.NRI.Value.Path+": nothing listens there", "restart "+f.terms().unit)
}

// The limits that containerd has by default.
const (
	usualRegistration = 5 * time.Second
	usualRequest      = 2 * time.Second
)

func checkTimeouts(f *Facts) []Finding {
	if !f.Containerd.OK() {
		return cannotTell(f.Containerd.Unknown)
	}
	s, t := f.Containerd.Value.NRI, f.terms()
	found := fmt.Sprintf("registration %s, request %s", s.Registration, s.Request)
	var low []string
	for _, limit := range []struct {
		key, text string
		usual     time.Duration
	}{{"plugin_registration_timeout", s.Registration, usualRegistration}, {"plugin_request_timeout", s.Request, usualRequest}} {
		// What does not parse containerd does not start with.
		if d, err := time.ParseDuration(limit.text); err == nil && d < limit.usual {
			low = append(low, fmt.Sprintf("%s = %q", t.timeout+limit.key, limit.usual))
		}
	}
	if len(low) > 0 {
		return one(Warning, found+": an agent that takes longer is left out, and the container runs without its adjustment",
			fmt.Sprintf("write %s under %s in %s and restart %s", strings.Join(low, " and "), t.nri, where(f), t.unit))
	}
	return one(OK, found, "")
}

// checkValidator is about what binds a container to the agent.
func checkValidator(f *Facts) []Finding {
	v := f.Containerd.Value.NRI.Validator
	byDefault := slices.Contains(f.Policy.Handlers, "") && isWrapped(f, "")
	switch {
	case !f.Containerd.OK():
		return cannotTell(f.Containerd.Unknown)
	case v != nil && v.Enabled:
		return validates(f, v)
	case byDefault:
		return one(OK, "off; the wrapper, as the default runtime, refuses what the agent has not seen", "")
	case v == nil:
		return one(Warning, "this runtime has none: nothing keeps a container from running while the agent is away",
			"use containerd 2.2 or CRI-O 1.34 or later, or the wrapper as the default runtime (docs/wrapper.md)")
	}
	return one(Warning, "off: a pod cannot require the agent, and runs unadjusted while that is away", fmt.Sprintf(
		"write %s under %s in %s and restart %s, or run nodegate install", f.terms().enable, f.terms().validator, where(f), f.terms().unit))
}

// validates looks at what a validator that is on refuses.
func validates(f *Facts, v *Validator) []Finding {
	var hit []string
	for _, key := range v.Rejects {
		if strings.HasSuffix(key, "_seccomp_adjustment") && f.Policy.Changes(change.KindSeccomp) ||
			key == "reject_sysctl_adjustment" && f.Policy.Changes(change.KindSysctls) || key == "reject_namespace_adjustment" && f.Policy.Changes(change.KindCgroup) {
			hit = append(hit, key)
		}
	}
	if t := f.terms(); len(hit) > 0 {
		return one(Problem, fmt.Sprintf("on, with %s: containers that the policy changes so are refused", list(hit)),
			fmt.Sprintf("write %s%s = false under %s in %s and restart %s", t.keys, strings.Join(hit, " = false and "+t.keys), t.validator, where(f), t.unit))
	}
	found := "on"
	if len(v.Rejects) > 0 {
		found += fmt.Sprintf(", with %s, which the policy does not need", list(v.Rejects))
	}
	return one(OK, found, "")
}

func checkRequired(f *Facts) []Finding {
	v, t := f.Containerd.Value.NRI.Validator, f.terms()
	switch {
	case !f.Containerd.OK():
		return cannotTell(f.Containerd.Unknown)
	case v != nil && v.Enabled && len(v.Required) == 0 && v.Tolerate != "":
		return one(Warning, fmt.Sprintf("none for all pods, and a pod with the annotation %q: true starts unadjusted while the agent is away, whatever it requires", v.Tolerate),
			fmt.Sprintf("take %stolerate_missing_plugins_annotation out of %s in %s and restart %s", t.keys, t.validator, where(f), t.unit))
	case v == nil || !v.Enabled || len(v.Required) == 0:
		return one(OK, "none for all pods; a pod says so by its annotation", "")
	}
	found := fmt.Sprintf("%s, for all pods", list(v.Required))
	remedy := fmt.Sprintf("write %srequired_plugins = [] under %s in %s, "+
		"restart %s, and require the agent by annotation (docs/security.md)", t.keys, t.validator, where(f), t.unit)
	if v.Tolerate != "" {
		return one(Warning, fmt.Sprintf("%s without annotation %q: static pods without it do not start while a plugin is away", found, v.Tolerate), remedy)
	}
	return one(Problem, found+": static pods, and the pod of an agent that runs as a DaemonSet, cannot start while a plugin is away", remedy)
}
