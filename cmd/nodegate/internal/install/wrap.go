// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/crio"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// handlerName is what a RuntimeClass can name, with "nodegate-" before it.
var handlerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,52}[a-z0-9])?$`)

// checkWrap refuses names that no handler beside them can be made for.
func checkWrap(names []string) error {
	for i, name := range names {
		switch {
		case !handlerName.MatchString(name):
			return fmt.Errorf("--wrap-runtime %q is not the name of a runtime handler: write one of letters, digits and dashes, such as nvidia, and the flag again for another", name)
		case name == Handler || strings.HasPrefix(name, Handler+"-"):
			return fmt.Errorf("--wrap-runtime %q is nodegate's own handler: write the one to wrap", name)
		case slices.Contains(names[:i], name):
			return fmt.Errorf("--wrap-runtime %q is written twice", name)
		}
	}
	return nil
}

// besideOf names the handler that runs the wrapper for another.
func besideOf(name string) string { return Handler + "-" + name }

// wrapperFor is the wrapper as that handler calls it: by its name it knows which runtime
// it becomes.
func wrapperFor(binary, name string) string { return binary + "-" + name }

// beside wants a handler like one of the node's, with the wrapper in the place of its OCI
// runtime.
func (n *needs) beside(l *loaded, all []string, name, binary string) error {
	table, has := tomledit.Get[map[string]any](l.doc, key(all, name))
	if !has {
		theirs, _ := tomledit.Get[map[string]any](l.doc, all)
		return noHandler("containerd", name, theirs)
	}
	if kind, _ := table["runtime_type"].(string); kind != runcShim {
		return fmt.Errorf("--wrap-runtime %q: its runtime_type is %q, and nodegate-runc is called only by %q", name, kind, runcShim)
	}
	options, _ := table["options"].(map[string]any)
	program, _ := options["BinaryName"].(string)
	if err := n.becomes(name, program, binary, "runc"); err != nil {
		return err
	}
	at, wrapper := key(all, besideOf(name)), wrapperFor(binary, name)
	if own, has := tomledit.Get[map[string]any](l.doc, at); has {
		theirs, _ := tomledit.Get[string](own, []string{"options", "BinaryName"})
		return ownHandler(besideOf(name), "BinaryName", theirs, wrapper)
	}
	n.want(runcShim, at, "runtime_type")
	if err := n.carry(table, at, "runtime_type", "options"); err != nil {
		return err
	}
	n.want(wrapper, at, "options", "BinaryName")
	return n.carry(options, key(at, "options"), "BinaryName")
}

// crioBeside does the same for CRI-O.
func (n *needs) crioBeside(s *crio.Settings, name, binary string) error {
	table, has := s.Handler(name)
	if !has {
		theirs, _ := tomledit.Get[map[string]any](s.Doc, crio.Runtimes)
		return noHandler("CRI-O", name, theirs)
	}
	if kind, _ := table["runtime_type"].(string); !slices.Contains(crioTypes, kind) {
		return fmt.Errorf("--wrap-runtime %q: its runtime_type is %q, and nodegate-runc is called in the place of runc or crun, and there is none", name, kind)
	}
	if table["inherit_default_runtime"] == true {
		return fmt.Errorf("--wrap-runtime %q: it inherits the program of the default_runtime: use the handler %q", name, Handler)
	}
	program, _ := table["runtime_path"].(string)
	if err := n.becomes(name, program, binary, name); err != nil {
		return err
	}
	at, wrapper := key(crio.Runtimes, besideOf(name)), wrapperFor(binary, name)
	if own, has := s.Handler(besideOf(name)); has {
		theirs, _ := own["runtime_path"].(string)
		return ownHandler(besideOf(name), "runtime_path", theirs, wrapper)
	}
	n.want(wrapper, at, "runtime_path")
	n.pastWrapper(table, name, besideOf(name))
	return n.carry(table, at, crioOwn...)
}

// becomes notes the real OCI runtime of a handler.
func (n *needs) becomes(name, program, binary, usual string) error {
	switch {
	case program == "":
		program = usual
	case strings.Contains(program, "/") && !path.IsAbs(program):
		return fmt.Errorf("--wrap-runtime %q: its OCI runtime %q is neither a name nor an absolute path", name, program)
	case program == binary || strings.HasPrefix(program, binary+"-"):
		return fmt.Errorf("--wrap-runtime %q: it runs nodegate-runc already (%s)", name, program)
	}
	n.runtimes[name] = program
	return nil
}

func noHandler(runtime, name string, all map[string]any) error {
	return fmt.Errorf("--wrap-runtime %q: %s's configuration has no such runtime handler; it has %s",
		name, runtime, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
}

// ownHandler refuses a handler of the name that is nodegate's and does something else.
func ownHandler(name, keyName, theirs, wrapper string) error {
	if theirs == wrapper {
		return nil
	}
	return fmt.Errorf("there is a runtime handler %q already, whose %s is %q: remove it, or make its %s %q", name, keyName, theirs, keyName, wrapper)
}

// runtimesTable is [runtimes] of runc.toml.
func runtimesTable(all map[string]string) []tomledit.Want {
	var wants []tomledit.Want
	for _, name := range slices.Sorted(maps.Keys(all)) {
		wants = append(wants, tomledit.Want{Key: []string{"runtimes", name}, Value: all[name]})
	}
	return wants
}

// becomes looks whether the administrator's own runc.toml knows the runtimes: without
// that no pod of their handlers starts.
func becomes(text []byte, all map[string]string) error {
	doc, err := tomledit.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", wrapperPath, err)
	}
	if missing := tomledit.Missing(doc, runtimesTable(all)); len(missing) > 0 {
		return fmt.Errorf("%s is yours and does not say which runtime the wrapper becomes for --wrap-runtime: write\n\n%s", wrapperPath, tomledit.Tables(missing))
	}
	return nil
}

// handlers tells the agent which other handlers run the wrapper. Those that the policy
// lists because an earlier run said so are left out.
func (p *planner) handlers(policy []string) string {
	var all []string
	if p.o.DefaultRuntime {
		all = append(all, "")
	}
	for _, h := range policy {
		former := p.former != nil && (h == "" && p.former.DefaultRuntime ||
			slices.ContainsFunc(p.former.Wrapped, func(name string) bool { return h == besideOf(name) }))
		if !former && !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	for _, name := range p.o.Wrap {
		if h := besideOf(name); !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	list := make([]any, len(all))
	for i, h := range all {
		list[i] = h
	}
	about := "# These handlers run nodegate-runc"
	if p.o.DefaultRuntime {
		about += "; \"\" is the default one"
	}
	return about + ".\n" + tomledit.Tables([]tomledit.Want{{Key: []string{"runtime", "handlers"}, Value: list}})
}
