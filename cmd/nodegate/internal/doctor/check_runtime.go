// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nodegate/nodegate/plugin/change"
)

func checkRuntime(f *Facts) []Finding {
	r := f.Runtime.Value
	switch {
	case f.Runtime.Unknown == needsRoot:
		return cannotTell(needsRoot)
	case !f.Runtime.OK():
		return one(Problem, f.Runtime.Unknown, "start containerd, or name its socket by --runtime-endpoint")
	}
	found := fmt.Sprintf("%s at %s", r.NRI, r.Endpoint)
	switch {
	case !r.Known:
		return one(Warning, found+": nothing is known of its NRI, so it is taken for the oldest",
			"nodegate is made for containerd and CRI-O: use containerd 2.3 or CRI-O 1.36 or later")
	case r.DeliversAll:
		return one(OK, found, "")
	case runsWrapper(f):
		return one(OK, found+": what it cannot carry goes to the wrapper", "")
	}
	return one(Warning, found+", which cannot carry all: see docs/support-matrix.md",
		"use containerd 2.3 or later, or set up the wrapper (docs/wrapper.md)")
}

// runsWrapper reports whether a handler of the policy runs the wrapper.
func runsWrapper(f *Facts) bool {
	for _, name := range f.Policy.Handlers {
		if isWrapped(f, name) {
			return true
		}
	}
	return false
}

// isWrapped reports whether a handler, "" for the default one, runs the wrapper.
func isWrapped(f *Facts, name string) bool {
	if name == "" {
		name = defaultHandler(f)
	}
	h, ok := handlers(f)[name]
	return ok && f.Wrapper.Programs[binary(h)].Value.Wrapper
}

// restartGrace is how much later than its files containerd may have started
// and still have read them so: times of processes are that coarse.
const restartGrace = 2 * time.Second

func checkConfiguration(f *Facts) []Finding {
	c := f.Containerd.Value
	if !f.Containerd.OK() {
		return cannotTell(f.Containerd.Unknown)
	}
	found, unit := fmt.Sprintf("version %d, %s", c.Version, c.Config), f.terms().unit
	if c.DropIns != "" {
		found = fmt.Sprintf("%s and %s", c.Config, c.DropIns)
	}
	switch {
	case f.Runtime.Value.Handlers != nil && !maps.Equal(f.Runtime.Value.Handlers, c.Handlers):
		return one(Warning, found+": the running "+unit+" has other runtime handlers than its files", "restart "+unit)
	case !c.Started.IsZero() && c.Changed.After(c.Started.Add(restartGrace)):
		return one(Warning, fmt.Sprintf("%s: changed at %s, after %s started: what follows is what its files say today",
			found, c.Changed.Format(time.DateTime), unit), "restart "+unit)
	}
	return one(OK, found, "")
}

// where names the file to edit in a remedy.
func where(f *Facts) string {
	switch {
	case f.Containerd.Value.DropIns != "":
		return "a file in " + f.Containerd.Value.DropIns
	case f.Containerd.OK():
		return f.Containerd.Value.Edit
	}
	return "containerd's configuration"
}

func checkOCIRuntime(f *Facts) []Finding {
	r := f.OCIRuntime.Value
	if !f.OCIRuntime.OK() {
		return cannotTell(f.OCIRuntime.Unknown)
	}
	found := fmt.Sprintf("%s at %s", r.Version, r.Path)
	if !r.Features.OK() {
		return one(Unknown, found+"; its features are unknown: "+r.Features.Unknown, "use runc 1.1 or later")
	}
	switch has := r.Features.Value; {
	case !has.Seccomp && f.Policy.Changes(change.KindSeccomp):
		return one(Problem, found+", built without seccomp, which the policy changes", "use a runc that is built with seccomp")
	case !has.Seccomp:
		return one(Warning, found+", built without seccomp: containers have no filter", "use a runc that is built with seccomp")
	case !has.IDMap:
		return one(Warning, found+", without id-mapped mounts: pods with a user namespace and volumes do not start", "use runc 1.2 or later")
	}
	return one(OK, found+", with seccomp and id-mapped mounts", "")
}

// list joins words for a sentence.
func list(words []string) string { return strings.Join(words, ", ") }
