// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"maps"
	"slices"
)

func checkHandlers(f *Facts) []Finding {
	all := handlers(f)
	if all == nil {
		because := f.Containerd.Unknown
		if because == "" {
			because = f.Runtime.Unknown
		}
		return cannotTell(because)
	}
	var out []Finding
	add := func(name string, s Status, found, remedy string) {
		out = append(out, Finding{Subject: name, Status: s, Found: found, Remedy: remedy})
	}
	for _, name := range f.Policy.Handlers {
		s, found, remedy := policyHandler(f, name, all)
		add(shown(f, name), s, found, remedy)
	}
	// The other direction: one that the policy does not know of.
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !isWrapped(f, name) {
			continue
		}
		byDefault := name == defaultHandler(f)
		if byDefault && !slices.Contains(f.Policy.Handlers, "") {
			add(shown(f, ""), Problem, "runs nodegate-runc, and is not in runtime.handlers: containers that the agent does not change are refused",
				fmt.Sprintf("write handlers = [\"\", %q] under [runtime] in %s", name, f.Policy.Path))
		}
		if !slices.Contains(f.Policy.Handlers, name) && (!byDefault || slices.Contains(f.Policy.Handlers, "")) {
			s := Problem
			if byDefault {
				s = Warning // only where a RuntimeClass names it
			}
			add(name, s, "runs nodegate-runc, and is not in runtime.handlers: containers of a RuntimeClass of it that the agent does not change are refused",
				fmt.Sprintf("add %q to handlers under [runtime] in %s", name, f.Policy.Path))
		}
	}
	if len(out) == 0 {
		add("", OK, "none runs nodegate-runc, and runtime.handlers is empty", "")
	}
	return out
}

// shown names a handler in the table.
func shown(f *Facts, name string) string {
	if name == "" {
		return fmt.Sprintf("default (%s)", defaultHandler(f))
	}
	return name
}

// policyHandler looks at a handler that the policy names.
func policyHandler(f *Facts, name string, all map[string]Handler) (s Status, found, remedy string) {
	usual := all[defaultHandler(f)]
	if name == "" {
		name = defaultHandler(f)
	}
	h, ok := all[name]
	if !ok {
		s = Warning
		if len(f.Policy.Wrapped()) > 0 {
			s = Problem
		}
		return s, fmt.Sprintf("is in runtime.handlers, and %s has no such handler: what NRI cannot carry%s is refused", f.terms().name, needed(f)),
			fmt.Sprintf("run nodegate install, or write handlers = [] under [runtime] in %s if the wrapper is not used", f.Policy.Path)
	}
	program := f.Wrapper.Programs[binary(h)]
	t := f.terms()
	install := fmt.Sprintf("write %s = '/usr/local/bin/nodegate-runc' %s and restart %s, or take it out of handlers under [runtime] in %s", t.program, fmt.Sprintf(t.handler, name), t.unit, f.Policy.Path)
	switch {
	case program.Unknown == needsRoot:
		return Unknown, "unknown: " + needsRoot, "run nodegate doctor as root"
	case !program.OK():
		return Problem, fmt.Sprintf("runs %s: %s", binary(h), program.Unknown), install
	case program.Value.Script:
		return Unknown, fmt.Sprintf("runs %s, a script: it is not known what it runs", program.Value.Path), "write the path of nodegate-runc itself as " + t.program
	case !program.Value.Wrapper:
		return Problem, fmt.Sprintf("is in runtime.handlers and runs %s, which is not nodegate-runc: the agent refuses all of its containers", program.Value.Path), install
	case h.SystemdCgroup != usual.SystemdCgroup:
		return Problem, fmt.Sprintf("runs %s with SystemdCgroup = %t, and the default handler has %t", program.Value.Path, h.SystemdCgroup, usual.SystemdCgroup),
			fmt.Sprintf("write SystemdCgroup = %t in the options of handler %q and restart containerd", usual.SystemdCgroup, name)
	}
	return OK, "runs " + program.Value.Path, ""
}

// needed names what the policy grants and only the wrapper carries.
func needed(f *Facts) string {
	if len(f.Policy.Wrapped()) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", list(f.Policy.Wrapped()))
}

func checkWrapper(f *Facts) []Finding {
	var found []Program
	for _, name := range slices.Sorted(maps.Keys(f.Wrapper.Programs)) {
		p := f.Wrapper.Programs[name].Value
		if p.Wrapper && !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	switch {
	case len(found) == 0 && f.Wrapper.Programs[wrapperName].Unknown == needsRoot:
		return cannotTell(needsRoot)
	case len(found) == 0 && len(f.Policy.Handlers) == 0:
		return one(OK, "not used", "")
	case len(found) == 0:
		return one(Warning, "nodegate-runc is neither a handler's "+f.terms().program+" nor in "+f.terms().name+"'s PATH", fmt.Sprintf(
			"run nodegate install, or write handlers = [] under [runtime] in %s if it is not used", f.Policy.Path))
	}
	var out []Finding
	for _, p := range found {
		one := Finding{Subject: p.Path, Status: OK, Found: "version " + p.Version}
		if p.Version != f.Wrapper.Own {
			one.Status = Warning
			one.Found += fmt.Sprintf(", and nodegate has %s", f.Wrapper.Own)
			one.Remedy = "install both from one release"
		}
		out = append(out, one)
	}
	return out
}

func checkWrapperConfig(f *Facts) []Finding {
	w, used := f.Wrapper, false
	for name := range handlers(f) {
		used = used || isWrapped(f, name)
	}
	switch {
	case !used:
		return nil
	case !w.Settings.OK():
		return cannotTell(w.Settings.Unknown)
	case w.Err != nil:
		return one(Problem, w.Err.Error(), "mend "+w.Config+": until then no container of its handlers starts; config/deploy/runc.toml is an example")
	case w.Settings.Value.StateDir != f.Policy.StateDir:
		return one(Problem, fmt.Sprintf("%s has state_dir = %q, and the policy state.dir = %q: no record is found, and all is refused",
			w.Config, w.Settings.Value.StateDir, f.Policy.StateDir), fmt.Sprintf("write state_dir = %q in %s", f.Policy.StateDir, w.Config))
	}
	return one(OK, w.Config, "")
}
