// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/crio"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// ErrUnseen says that this process does not see the node's files.
var ErrUnseen = errors.New("the agent does not see what the runtime reads")

var errOwed = errors.New("the runtime was not restarted since nodegate install changed what it reads")

// Node is what Programs has to know of a node.
type Node struct {
	Root    string                            // of its files; "/" or where they are mounted
	Config  string                            // what the runtime reads; "" to look for it
	CRIO    bool                              // the runtime is CRI-O
	Version string                            // the runtime's
	Read    func(name string) ([]byte, error) // a file of the node
}

// Programs tells which program each runtime handler runs as its OCI runtime, by what the
// runtime reads when it starts. "" is the handler of pods that name none.
func Programs(n Node) (map[string]string, error) {
	if m, _, err := (Tree{n.Root}).readManifest(); err == nil && (Tree{n.Root}).owed(m) {
		return nil, errOwed
	}
	return programsOf(n)
}

func programsOf(n Node) (map[string]string, error) {
	t := Tree{n.Root}
	if n.Config == "" && !slices.ContainsFunc(layouts, t.looksLike) {
		return nil, ErrUnseen
	}
	read := func(name string) ([]byte, error) {
		data, err := n.Read(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return data, err
	}
	if n.CRIO {
		s, err := crio.Load(cmp.Or(n.Config, crio.DefaultConfig), crio.DropIns, read, t.list)
		if err != nil {
			return nil, err
		}
		return crioPrograms(s), nil
	}
	layout, err := t.layout("", n.Config)
	if err != nil {
		return nil, err
	}
	r, err := parseRelease(n.Version)
	if err != nil {
		return nil, err
	}
	l, err := t.load(r, layout.config, read)
	if err == nil && n.Config != "" && len(l.files) == 0 {
		err = ErrUnseen // it runs, so it has read one
	}
	if err != nil {
		return nil, err
	}
	return l.programs(r), nil
}

// programs reads the handlers of containerd.
func (l *loaded) programs(r release) map[string]string {
	cri := []string{"plugins", criV3, "containerd"}
	if l.version == 2 {
		cri[1] = criV2
	}
	out := map[string]string{}
	handlers, _ := tomledit.Get[map[string]any](l.doc, key(cri, "runtimes"))
	if r.mergesImports() || len(handlers) == 0 {
		out["runc"] = "runc" // is there without a word
	}
	for name := range handlers {
		kind, _ := tomledit.Get[string](handlers, []string{name, "runtime_type"})
		program, _ := tomledit.Get[string](handlers, []string{name, "options", "BinaryName"})
		if kind != "" && kind != runcShim {
			program = kind // whatever that runs
		}
		out[name] = cmp.Or(program, "runc")
	}
	usual, _ := tomledit.Get[string](l.doc, key(cri, "default_runtime_name"))
	return withDefault(out, cmp.Or(usual, "runc"))
}

func crioPrograms(s *crio.Settings) map[string]string {
	out := map[string]string{crio.BuiltIn: crio.BuiltIn}
	all, _ := tomledit.Get[map[string]any](s.Doc, crio.Runtimes)
	for name := range all {
		program, _ := tomledit.Get[string](all, []string{name, "runtime_path"})
		out[name] = cmp.Or(program, name)
	}
	return withDefault(out, s.Default())
}

func withDefault(programs map[string]string, usual string) map[string]string {
	if program, has := programs[usual]; has {
		programs[""] = program
	}
	return programs
}
