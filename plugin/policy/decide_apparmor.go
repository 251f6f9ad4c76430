// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/plugin/change"
)

// AppArmor is what the node says of one AppArmor profile.
type AppArmor struct {
	Enabled bool
	Loaded  Known[bool] // of no meaning where it is not enabled
}

var appArmorKind = kind{
	own: func(e *merged, p *Profile) {
		if p.AppArmor != "" {
			e.appArmor = sourced{value: p.AppArmor, profile: p.Name}
		}
	},
	merge: func(e, other *merged, _ string) *conflict {
		have, want := e.appArmor, other.appArmor
		switch {
		case have.value == "":
			e.appArmor = want
		case want.value != "" && want.value != have.value:
			return &conflict{"apparmor", "the AppArmor profile", have.profile, want.profile,
				fmt.Sprintf("%q", have.value), fmt.Sprintf("%q", want.value)}
		}
		return nil
	},
	decide:  (*decider).appArmor,
	outline: func(a *Adjustment, p *Profile) { a.AppArmor = p.AppArmor },
}

// appArmor takes the place of whatever profile the container has. A node
// without AppArmor confines nothing, and the OCI runtime would refuse to start
// a container that names a profile there.
func (d *decider) appArmor() error {
	want, have := d.merged.appArmor, d.facts.Host.AppArmor
	switch {
	case want.value == "":
		if have.Value.Enabled && d.merged.mounts() && !d.ownAppArmor() {
			d.note(MayConfine, "", "mounts: this node has AppArmor, and the runtime's own profile denies them: "+MountsRemedy)
		}
		return nil
	case !have.OK:
		return d.refuse(UnknownFact, want.value, "would get the AppArmor profile %q by profile %q, and it could not be told whether this node has AppArmor",
			want.value, want.profile)
	case !have.Value.Enabled:
		d.note(LeftOut, want.profile, fmt.Sprintf("AppArmor profile %q: this node has no AppArmor", want.value))
		return nil
	case want.value == change.Unconfined:
	case !have.Value.Loaded.OK:
		return d.refuse(UnknownFact, want.value, "would get the AppArmor profile %q by profile %q, and it could not be told whether this node has loaded it",
			want.value, want.profile)
	case !have.Value.Loaded.Value:
		return d.refuse(Unmet, want.value, "would get the AppArmor profile %q by profile %q, which this node has not loaded",
			want.value, want.profile).Advise("%s", LoadAppArmor(want.value))
	}
	d.out.AppArmor = want.value
	return nil
}

// ownAppArmor reports whether the pod has something else than the runtime's own
// profile, as far as is known. The annotation is how pods said so before
// Kubernetes 1.30.
func (d *decider) ownAppArmor() bool {
	said := d.facts.Request.Annotations["container.apparmor.security.beta.kubernetes.io/"+d.facts.Request.Container]
	return d.facts.Container.OwnAppArmor || d.privileged() || said != "" && said != "runtime/default"
}

// mounts reports whether a container is given what it takes to mount.
func (e *merged) mounts() bool {
	return slices.Contains(e.capabilities.Add, "CAP_SYS_ADMIN") || slices.ContainsFunc(e.seccomp, func(r sourcedRule) bool {
		return !r.Denies() && slices.Contains(r.Syscalls, "mount")
	})
}

// AppArmor says which AppArmor profile a profile's containers run under, "" for the
// runtime's own, and whether that matters: it is named, or the profile gives mounts.
func (p *Policy) AppArmor(profile string) (name string, matters bool) {
	prof := p.profiles[profile]
	if prof == nil {
		return "", false
	}
	name = prof.merged.appArmor.value
	return name, name != "" || prof.merged.mounts()
}

// MountsRemedy says what to do where AppArmor denies mounts.
const MountsRemedy = "write apparmor = \"" + OwnAppArmor + "\" in the profile"

// OwnAppArmor is the AppArmor profile that nodegate brings: what a
// runtime's default one is, and mounts.
const OwnAppArmor = "nodegate-mounts"

// LoadAppArmor says how a node loads a profile.
func LoadAppArmor(name string) string {
	if name == OwnAppArmor {
		return `run "nodegate install" on the node (the chart does, with nri.runtime.patchConfig), or "nodegate render apparmor | apparmor_parser -r"`
	}
	return "load it there with apparmor_parser -r"
}
