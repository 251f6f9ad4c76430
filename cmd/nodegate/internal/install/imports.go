// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

const (
	criV2     = "io.containerd.grpc.v1.cri"    // in version 2 of the configuration
	criV3     = "io.containerd.cri.v1.runtime" // from version 3 on
	nriPlugin = "io.containerd.nri.v1.nri"
)

// reader reads a file as it is to be looked at: without what was installed before, or
// with what is planned. It returns nil where there is none.
type reader func(name string) ([]byte, error)

// dataOf is the content of a file for a reader.
func dataOf(f *File, err error) ([]byte, error) {
	if f == nil {
		return nil, err
	}
	return f.Data, err
}

// loaded is what containerd makes of its configuration and of what that imports.
type loaded struct {
	doc     map[string]any // of the main file, the others merged over it
	files   []string       // in the order in which they apply
	version int64
}

// load reads a configuration as containerd does: imports after their parent, later
// ones over earlier ones.
func (t Tree) load(r release, main string, read reader, extra ...string) (*loaded, error) {
	l := &loaded{doc: map[string]any{}}
	done := map[string]bool{}
	for pending := []string{main}; len(pending) > 0; {
		name := pending[0]
		pending = pending[1:]
		if done[name] {
			continue
		}
		done[name] = true
		data, err := read(name)
		if err != nil {
			return nil, err
		}
		if data == nil {
			if name == main {
				return l, nil
			}
			return nil, fmt.Errorf("%s imports %s, which is not there: containerd does not start with it", main, name)
		}
		doc, err := tomledit.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := l.add(r, name, doc); err != nil {
			return nil, err
		}
		more, err := t.imports(name, doc, extra)
		if err != nil {
			return nil, err
		}
		pending = append(pending, more...)
	}
	return l, nil
}

// add merges a file over those before it.
func (l *loaded) add(r release, name string, doc map[string]any) error {
	version, _ := doc["version"].(int64)
	l.files = append(l.files, name)
	plugins, _ := doc["plugins"].(map[string]any)
	if len(l.files) == 1 {
		l.version = version
	} else if plugins[criV2] != nil || plugins[criV3] != nil {
		// Where they differ, older releases leave out what the main file says.
		if version != l.version && version != 0 {
			return fmt.Errorf("%s has version %d and %s version %d: write the same in both (containerd config migrate)", l.files[0], l.version, name, version)
		}
	}
	if !r.mergesImports() {
		all := map[string]any{}
		if had, ok := l.doc["plugins"].(map[string]any); ok {
			maps.Copy(all, had)
		}
		maps.Copy(all, plugins)
		l.doc = merge(l.doc, doc)
		l.doc["plugins"] = all
		return nil
	}
	l.doc = merge(l.doc, doc)
	return nil
}

func merge(to, from map[string]any) map[string]any {
	out := maps.Clone(to)
	for k, v := range from {
		a, ok1 := out[k].(map[string]any)
		b, ok2 := v.(map[string]any)
		if ok1 && ok2 {
			out[k] = merge(a, b)
		} else {
			out[k] = v
		}
	}
	return out
}

// imports resolves a file's list of imports. Those of extra count as if they were
// there already.
func (t Tree) imports(name string, doc map[string]any, extra []string) ([]string, error) {
	var all []string
	patterns, err := importPatterns(name, doc)
	if err != nil {
		return nil, err
	}
	for _, pattern := range patterns {
		if !strings.Contains(pattern, "*") {
			all = append(all, pattern)
			continue
		}
		folder := path.Dir(pattern)
		if strings.ContainsAny(folder, "*?[\\") {
			return nil, fmt.Errorf("%s imports %q: it is not known what that is: name one folder, as in /etc/containerd/conf.d/*.toml", name, pattern)
		}
		names, err := t.list(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range extra {
			if path.Dir(e) == folder {
				names = insert(names, path.Base(e))
			}
		}
		for _, n := range names {
			if ok, err := path.Match(path.Base(pattern), n); err != nil {
				return nil, fmt.Errorf("%s imports %q: %w", name, pattern, err)
			} else if ok {
				all = append(all, path.Join(folder, n))
			}
		}
	}
	return all, nil
}

// insert adds a name to a sorted list.
func insert(names []string, name string) []string {
	i := 0
	for i < len(names) && names[i] < name {
		i++
	}
	if i < len(names) && names[i] == name {
		return names
	}
	return append(names[:i:i], append([]string{name}, names[i:]...)...)
}

func importPatterns(name string, doc map[string]any) ([]string, error) {
	value, has := doc["imports"]
	list, ok := value.([]any)
	if has && !ok {
		return nil, fmt.Errorf("%s: imports is not a list: write imports = [\"/etc/containerd/conf.d/*.toml\"]", name)
	}
	var all []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s: imports holds something that is not a string", name)
		}
		if s = path.Clean(s); !path.IsAbs(s) {
			s = path.Join(path.Dir(name), s)
		}
		all = append(all, s)
	}
	return all, nil
}
