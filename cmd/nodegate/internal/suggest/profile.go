// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// offerable says why no profile can offer something; "" if one can.
func (s *Set) offerable(a *Ask) string {
	if !a.needsProfile() {
		return ""
	}
	key := definition("x", body([]Ask{*a}, false))
	why, known := s.offers[key]
	if !known {
		why = whyNot(key)
		s.offers[key] = why
	}
	return why
}

func whyNot(profile string) string {
	_, err := config.Parse("suggestion", []byte("version = 1\n"+profile))
	if err == nil {
		return ""
	}
	if all := (config.Errors)(nil); errors.As(err, &all) {
		return "no profile can offer it: it " + all[0].Text
	}
	return "no profile can offer it: " + err.Error()
}

// body is what a new profile has in it.
func body(asks []Ask, userNamespace bool) []string {
	out := settings(asks)
	collect := func(of func(a *Ask) string) (all []string) {
		for i := range asks {
			if text := of(&asks[i]); text != "" {
				all = append(all, text)
			}
		}
		return all
	}
	if caps := collect(func(a *Ask) string { return a.capability }); len(caps) > 0 {
		out = append(out, "[profiles.NAME.capabilities]", "add = ["+quoted(caps)+"]")
	}
	for _, a := range asks {
		if len(a.beyond) > 0 {
			out = append(out, "[[profiles.NAME.seccomp]]", "syscalls = ["+quoted(a.beyond)+"]", `action = "allow"`)
		}
	}
	if sysctls := collect(func(a *Ask) string { return assigned(a.sysctl, a) }); len(sysctls) > 0 {
		out = append(append(out, "[profiles.NAME.sysctls]"), sysctls...)
	}
	if rlimits := collect(func(a *Ask) string { return assigned(a.rlimit, a) }); len(rlimits) > 0 {
		out = append(append(out, "[profiles.NAME.rlimits]"), rlimits...)
	}
	var targets []string
	for _, a := range asks {
		if a.path == "" || slices.Contains(targets, a.target) {
			continue
		}
		targets = append(targets, a.target)
		out = append(out, "[[profiles.NAME.devices]]", "path = "+strconv.Quote(a.path))
		if a.target != a.path {
			out = append(out, "container_path = "+strconv.Quote(a.target))
		}
		out = append(out, "access = "+strconv.Quote(cmp.Or(a.access, "rw")))
		if userNamespace {
			out = append(out, `gid = "user" # the node's group has no number in the pod`)
		}
	}
	return out
}

// assigned is a setting with the value of an ask; "" for one without a name.
func assigned(name string, a *Ask) string {
	if name == "" {
		return ""
	}
	return strconv.Quote(name) + " = " + strconv.Quote(a.value)
}

// settings are the keys of a new profile itself, which come before its tables.
func settings(asks []Ask) (out []string) {
	has := func(is func(a *Ask) bool) bool { return slices.ContainsFunc(asks, func(a Ask) bool { return is(&a) }) }
	if has((*Ask).needsUserNamespace) {
		out = append(out, "requires = { user_namespace = true }")
	}
	if has(func(a *Ask) bool { return a.cgroup }) {
		out = append(out, `cgroup = "writable"`)
	}
	if has(func(a *Ask) bool { return a.unmasked }) {
		out = append(out, `proc_mount = "unmasked"`)
	}
	if has(func(a *Ask) bool { return a.mounts }) {
		out = append(out, `apparmor = "nodegate-mounts"`)
	}
	var cdi []string
	for _, a := range asks {
		if a.cdi != "" {
			cdi = append(cdi, a.cdi)
		}
	}
	if len(cdi) > 0 {
		out = append(out, "cdi_devices = ["+quoted(cdi)+"]")
	}
	return out
}

func definition(name string, body []string) string {
	text := strings.ReplaceAll(strings.Join(body, "\n"), "profiles.NAME", "profiles."+name)
	if !strings.HasPrefix(text, "[") {
		text = "[profiles." + name + "]\n" + text
	}
	return text + "\n"
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameFor is a name for a new profile: that of the one thing that it gives, or of the pod.
func (s *Set) nameFor(asks []Ask, pod string) string {
	pod = strings.TrimSuffix(strings.TrimSuffix(pod, "…"), "-")
	first := pod
	if len(asks) == 1 {
		a := &asks[0]
		first = cmp.Or(path.Base(cmp.Or(a.path, a.cdi, a.sysctl)), pod)
		if a.cgroup {
			first = "cgroup"
		}
	}
	tidy := func(text string) string {
		return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), "-")
	}
	for _, base := range []string{tidy(first), tidy(pod)} {
		if base = strings.Trim(base[:min(len(base), 50)], "-"); base != "" && !s.taken[base] {
			return base
		}
	}
	base := cmp.Or(tidy(first), tidy(pod), "profile")
	base = strings.Trim(base[:min(len(base), 50)], "-")
	for i := 2; ; i++ {
		if name := fmt.Sprintf("%s-%d", base, i); !s.taken[name] {
			return name
		}
	}
}

// content is a profile with all that it includes.
func content(of map[string]*config.Profile, name string, depth int) (policy.Profile, bool) {
	p := of[name]
	if p == nil || depth > 8 {
		return policy.Profile{}, false
	}
	out := p.Profile
	out.Devices, out.Seccomp = slices.Clone(out.Devices), slices.Clone(out.Seccomp)
	for _, other := range p.Include {
		in, ok := content(of, other, depth+1)
		if !ok || len(in.Sysctls)+len(in.Env)+len(in.Rlimits) > 0 && len(out.Sysctls)+len(out.Env)+len(out.Rlimits) > 0 {
			return policy.Profile{}, false
		}
		out.Devices = append(out.Devices, in.Devices...)
		out.Seccomp = append(out.Seccomp, in.Seccomp...)
		out.DeviceCgroupRules = append(slices.Clip(out.DeviceCgroupRules), in.DeviceCgroupRules...)
		out.CDIDevices = append(slices.Clip(out.CDIDevices), in.CDIDevices...)
		out.Capabilities.Add = append(slices.Clip(out.Capabilities.Add), in.Capabilities.Add...)
		out.Capabilities.Drop = append(slices.Clip(out.Capabilities.Drop), in.Capabilities.Drop...)
		out.Tmpfs = append(slices.Clip(out.Tmpfs), in.Tmpfs...)
		if len(in.Sysctls)+len(in.Env)+len(in.Rlimits) > 0 {
			out.Sysctls, out.Env, out.Rlimits = in.Sysctls, in.Env, in.Rlimits
		}
		out.AppArmor = cmp.Or(out.AppArmor, in.AppArmor)
		out.AdoptDevices = out.AdoptDevices || in.AdoptDevices
		out.CgroupWritable = out.CgroupWritable || in.CgroupWritable
		out.ProcUnmasked = out.ProcUnmasked || in.ProcUnmasked
		out.Requires.UserNamespace = out.Requires.UserNamespace || in.Requires.UserNamespace
	}
	return out, true
}

// covers returns which of the asks a profile answers, and nothing if it gives
// more than is asked for.
func covers(p *policy.Profile, asks []Ask, userNamespace bool) []int {
	if len(p.DeviceCgroupRules)+len(p.Env)+len(p.Rlimits)+len(p.Tmpfs)+len(p.Capabilities.Drop) > 0 || p.AdoptDevices ||
		p.Resource.Is() && len(p.Devices) == 0 || p.Requires.UserNamespace && !userNamespace || p.Requires.Cgroup != "" ||
		p.AppArmor == change.Unconfined {
		return nil
	}
	var out []int
	wanted := func(is func(a *Ask) bool) bool {
		found := false
		for i := range asks {
			if is(&asks[i]) {
				found = true
				if !slices.Contains(out, i) {
					out = append(out, i)
				}
			}
		}
		return found
	}
	for i := range p.Devices {
		d := &p.Devices[i]
		at, fixed := d.Offers()
		if !fixed || d.Optional || d.Live != "" || !strings.Contains(d.Access, "rw") || strings.Contains(d.Access, "m") ||
			!wanted(func(a *Ask) bool { return a.path != "" && a.path == d.Path && a.target == at }) {
			return nil
		}
	}
	for _, name := range p.Capabilities.Add {
		if !wanted(func(a *Ask) bool { return a.capability == strings.TrimPrefix(name, "CAP_") }) {
			return nil
		}
	}
	for name, value := range p.Sysctls {
		if !wanted(func(a *Ask) bool { return a.sysctl == name && a.value == value }) {
			return nil
		}
	}
	for _, name := range p.CDIDevices {
		if !wanted(func(a *Ask) bool { return a.cdi == name }) {
			return nil
		}
	}
	for i := range asks {
		if len(asks[i].beyond) > 0 && allows(p, asks[i].beyond) {
			out = append(out, i)
		}
	}
	// The runtime lets SYS_ADMIN mount by itself; else a system call is more than is asked for.
	if len(p.Seccomp) > 0 && len(p.Capabilities.Add) == 0 ||
		p.CgroupWritable && !wanted(func(a *Ask) bool { return a.cgroup }) ||
		p.ProcUnmasked && !wanted(func(a *Ask) bool { return a.unmasked }) {
		return nil
	}
	return out
}

// allows reports whether a profile allows all of these system calls.
func allows(p *policy.Profile, calls []string) bool {
	return !slices.ContainsFunc(calls, func(name string) bool {
		return !slices.ContainsFunc(p.Seccomp, func(r policy.SeccompRule) bool {
			return !r.Denies() && len(r.Args) == 0 && slices.Contains(r.Syscalls, name)
		})
	})
}
