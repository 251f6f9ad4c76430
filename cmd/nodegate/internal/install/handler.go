// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// Handler is the runtime handler whose OCI runtime is the wrapper.
const Handler = "nodegate"

const runcShim = "io.containerd.runc.v2"

// needs is what containerd has to be told, and what that tells about the node.
type needs struct {
	wants   []tomledit.Want
	runtime string // the real OCI runtime: a name for PATH, or a path
	socket  string // NRI's; "" for the default
	// runtimes are the real OCI runtimes of the handlers that are wrapped, by name.
	runtimes map[string]string
	notes    []string
}

// needs compares what containerd is told already with what nodegate needs. binary is
// the wrapper's path.
func (l *loaded) needs(r release, binary string, o Options) (*needs, error) {
	n := &needs{runtime: "runc", runtimes: map[string]string{}}
	if err := l.disabled(); err != nil {
		return nil, err
	}
	cri := []string{"plugins", criV3}
	if l.version == 2 {
		cri = []string{"plugins", criV2}
	}
	if err := n.handler(l, r, cri, binary, o.DefaultRuntime); err != nil {
		return nil, err
	}
	for _, name := range o.Wrap {
		if err := n.beside(l, key(cri, "containerd", "runtimes"), name, binary); err != nil {
			return nil, err
		}
	}
	nri := []string{"plugins", nriPlugin}
	off, said := tomledit.Lookup(l.doc, key(nri, "disable"))
	if off != false && (said || !r.mergesImports()) { // 1.7 has it off by default, 2.x on
		n.want(false, nri, "disable")
	}
	if off, _ := tomledit.Lookup(l.doc, key(nri, "disable_connections")); off == true {
		n.want(false, nri, "disable_connections")
	}
	if s, ok := tomledit.Get[string](l.doc, key(nri, "socket_path")); ok && s != "/var/run/nri/nri.sock" && s != "/run/nri/nri.sock" {
		n.socket = s
	}
	if r.hasValidator() {
		n.validator(l.doc, key(nri, "default_validator"), "enable")
	} else {
		n.notes = append(n.notes, fmt.Sprintf("containerd %s has no validator for required-plugins.noderesource.dev: without the wrapper, a pod that is created while no agent runs is created unadjusted", r))
	}
	return n, nil
}

// disabled refuses a configuration in which Kubernetes or NRI cannot work at all.
func (l *loaded) disabled() error {
	list, _ := tomledit.Get[[]any](l.doc, []string{"disabled_plugins"})
	for _, v := range list {
		if v == "cri" || v == criV2 || v == criV3 || v == nriPlugin {
			return fmt.Errorf("%s disables the plugin %q (disabled_plugins): take it out of the list, or write a configuration for Kubernetes (containerd config default)", l.files[0], v)
		}
	}
	return nil
}

// validator switches on what refuses a pod whose required plugins are away. Its list
// for all pods stays as it is: it would stop static pods.
func (n *needs) validator(doc map[string]any, at []string, enable string) {
	if on, _ := tomledit.Lookup(doc, key(at, enable)); on == true {
		return
	}
	n.want(true, at, enable)
	t, _ := tomledit.Get[map[string]any](doc, at)
	for _, k := range slices.Sorted(maps.Keys(t)) {
		list, _ := t[k].([]any)
		if k != enable && (t[k] == true || len(list) > 0) {
			n.notes = append(n.notes, fmt.Sprintf("the default validator was off and has %s set, which takes effect now: see that it does not refuse what nodegate adjusts", k))
		}
	}
}

// handler carries the options of the node's own handler over to nodegate's.
func (n *needs) handler(l *loaded, r release, cri []string, binary string, byDefault bool) error {
	all := key(cri, "containerd", "runtimes")
	former, _ := tomledit.Get[string](l.doc, key(cri, "containerd", "default_runtime_name"))
	base := former
	if base == "" || base == Handler {
		base = "runc"
	}
	table, err := l.runcHandler(all, base)
	if err != nil {
		return err
	}
	options, _ := table["options"].(map[string]any)
	if program, ok := options["BinaryName"].(string); ok && program != "" && program != binary {
		n.runtime = program
	}
	if byDefault && former != Handler {
		n.want(Handler, cri, "containerd", "default_runtime_name")
	}
	if own, has := tomledit.Get[map[string]any](l.doc, key(all, Handler)); has {
		theirs, _ := tomledit.Get[string](own, []string{"options", "BinaryName"})
		if theirs != binary {
			return fmt.Errorf("there is a runtime handler %q in %s already, whose BinaryName is %q: remove it, or make its BinaryName %q", Handler, l.files[0], theirs, binary)
		}
		return nil
	}
	n.want(runcShim, key(all, Handler), "runtime_type")
	if _, has := tomledit.Lookup(l.doc, key(all, "runc")); !has && !r.mergesImports() {
		// 1.7 has its own "runc" only as long as no handler is written.
		n.want(runcShim, key(all, "runc"), "runtime_type")
	}
	if err := n.carry(table, key(all, Handler), "runtime_type", "options"); err != nil {
		return err
	}
	n.want(binary, key(all, Handler), "options", "BinaryName")
	return n.carry(options, key(all, Handler, "options"), "BinaryName")
}

// runcHandler returns the table of the handler that pods get now, or of "runc" where
// that one is not run by runc's shim. It is empty where containerd is told nothing.
func (l *loaded) runcHandler(all []string, name string) (map[string]any, error) {
	for _, name := range []string{name, "runc"} {
		table, has := tomledit.Get[map[string]any](l.doc, key(all, name))
		if !has && strings.HasPrefix(name, "${") {
			continue // MicroK8s fills it in: runc, unless an addon changes it
		}
		kind, ok := table["runtime_type"]
		if text, _ := kind.(string); !ok || text == "" || text == runcShim || strings.HasPrefix(text, "${") {
			return table, nil
		}
	}
	return nil, fmt.Errorf("neither the handler %q nor \"runc\" in %s has runtime_type = %q: nodegate-runc is called in the place of runc, and there is none", name, l.files[0], runcShim)
}

// carry copies what is set to something else than nothing, which is the default of
// all of them.
func (n *needs) carry(table map[string]any, at []string, but ...string) error {
	for _, k := range slices.Sorted(maps.Keys(table)) {
		if slices.Contains(but, k) {
			continue
		}
		switch v := table[k].(type) {
		case bool:
			if v {
				n.want(v, at, k)
			}
		case string:
			if v != "" {
				n.want(v, at, k)
			}
		case int64:
			if v != 0 {
				n.want(v, at, k)
			}
		case []any:
			for _, e := range v {
				if _, ok := e.(string); !ok {
					return fmt.Errorf("%s of the node's runtime handler cannot be carried over to the handler %q: write that handler by hand", k, Handler)
				}
			}
			if len(v) > 0 {
				n.want(v, at, k)
			}
		default:
			return fmt.Errorf("%s of the node's runtime handler cannot be carried over to the handler %q: write that handler by hand", k, Handler)
		}
	}
	return nil
}

func (n *needs) want(value any, at []string, names ...string) {
	n.wants = append(n.wants, tomledit.Want{Key: key(at, names...), Value: value})
}

func key(at []string, names ...string) []string {
	return append(slices.Clone(at), names...)
}
