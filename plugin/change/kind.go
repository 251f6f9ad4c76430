// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import "slices"

// Kind is a kind of change. The functions that are not exported may be nil
// where the comment says so.
type Kind struct {
	// Key is the key of a profile that asks for the kind. Other keys may lead
	// to it as well: a device in a user namespace is a mount, for instance.
	Key string
	// Field is what it changes: a path in the OCI spec, or NodeField, CDIField.
	Field string
	// Wrapper and Agent tell whether these channels can deliver it.
	Wrapper, Agent bool
	// Uses are the ways to use it, as far as runtimes differ in what their NRI
	// delivers. The first one is the kind itself.
	Uses []Use

	in   func(a *Adjustment) bool
	copy func(to, from *Adjustment)
	// list takes it apart; it leaves Kind, and Field where it is the kind's, to
	// its caller.
	list func(a *Adjustment) []Change
	// name says what it is for a refusal: "the sysctl x".
	name func(a *Adjustment) []string
	// brief says in a few words what it changes, for a log.
	brief func(a *Adjustment) []string
	// gives and takesAway report whether it gives something of the node or a
	// right, and whether it leaves the container with less; nil for never.
	gives, takesAway func(a *Adjustment) bool
}

// Use is a way to use a kind of change.
type Use struct {
	Text string   // as the documentation has it, in Markdown
	NRI  Features // all that a runtime's NRI must have; 0 if no NRI delivers it
}

// Fields of what is not in a spec.
const (
	NodeField = "node" // is done on the node itself
	CDIField  = "CDI"  // the runtime looks up what the name stands for
)

// kinds is the table, in the order in which changes are listed.
var kinds = []*Kind{
	KindDevices, KindShadowNodes, KindMounts, KindUnmounts, KindDeviceRules, KindCDIDevices, KindAdoptDevices,
	KindCapabilities, KindSeccomp, KindSysctls, KindRlimits, KindEnv, KindNamespaces, KindCgroup, KindProc, KindAppArmor,
	KindLive,
}

// Kinds returns all kinds of change.
func Kinds() []*Kind { return slices.Clone(kinds) }

// AllUses is what a runtime's NRI must have to deliver all that any delivers.
func AllUses() Features {
	var all Features
	for _, k := range kinds {
		for _, use := range k.Uses {
			all |= use.NRI
		}
	}
	return all
}

// In reports whether an adjustment has changes of this kind.
func (k *Kind) In(a *Adjustment) bool { return k.in(a) }

// Copy puts the changes of this kind into another adjustment.
func (k *Kind) Copy(to, from *Adjustment) { k.copy(to, from) }

// Name says for a refusal what an adjustment has of this kind.
func (k *Kind) Name(a *Adjustment) []string { return k.name(a) }

// NRI returns what a runtime's NRI must have to deliver this kind; 0 if none
// does.
func (k *Kind) NRI() Features { return k.Uses[0].NRI }

// NeedsWrapper reports whether the wrapper alone can deliver this kind.
func (k *Kind) NeedsWrapper() bool { return k.Wrapper && !k.Agent && k.NRI() == 0 }

// Names says for a refusal what an adjustment changes.
func (a *Adjustment) Names() []string {
	var out []string
	for _, k := range kinds {
		if k.In(a) {
			out = append(out, k.name(a)...)
		}
	}
	return out
}

// Brief says in a few words each what an adjustment changes.
func (a *Adjustment) Brief() []string {
	var out []string
	for _, k := range kinds {
		if k.In(a) {
			out = append(out, k.brief(a)...)
		}
	}
	return out
}
