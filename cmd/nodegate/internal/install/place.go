// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

// dropInName sorts after what others put beside it, such as 99-nvidia.toml: it builds on
// what they say.
const dropInName = "zz-nodegate.toml"

const dropInHead = "# Written by nodegate install, removed by nodegate uninstall. Changes belong into a file\n# of your own.\n"

// place is the file that tells containerd what it needs, and how.
type place struct {
	path string
	// text makes the file's new content of its old one, nil where there is none.
	text func(old []byte, wants []tomledit.Want) (text []byte, edits []tomledit.Edit, err error)
	toml bool // else a template
	edit bool // somebody else's file
	// unseen says that the file is not among those that the configuration imports: the
	// distribution merges it as it starts.
	unseen bool
	note   string
}

// place chooses between a drop-in, an edit and a template.
func (l *loaded) place(t Tree, r release, layout Layout, read reader) (*place, error) {
	main, err := read(layout.config)
	if err != nil {
		return nil, err
	}
	if main == nil && layout.generated {
		return nil, fmt.Errorf("there is no %s yet: start %s once, which writes it, or name it by --config", layout.config, layout.Name)
	}
	if main == nil {
		return &place{path: layout.config, toml: true, text: whole(r.configVersion())}, nil
	}
	doc, err := tomledit.Parse(main)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", layout.config, err)
	}
	if err := l.knownVersion(r, doc, layout); err != nil {
		return nil, err
	}
	patterns, err := importPatterns(layout.config, doc)
	if err != nil {
		return nil, err
	}
	if alone, err := l.byOurTemplate(t, r, layout, read); err != nil {
		return nil, err
	} else if alone {
		return l.template(t, layout, main)
	}
	for _, pattern := range patterns {
		name := path.Join(path.Dir(pattern), dropInName)
		if ok, _ := path.Match(pattern, name); ok && r.mergesImports() {
			return &place{path: name, toml: true, text: whole(l.version)}, nil
		}
	}
	if layout.dropIns != "" && k0sManaged.Match(main) {
		return &place{path: path.Join(layout.dropIns, dropInName), toml: true, text: whole(l.version), unseen: true,
			note: fmt.Sprintf("%s is written by k0s, which merges %s/*.toml into what containerd reads as it starts", layout.config, layout.dropIns)}, nil
	}
	if !layout.generated {
		return &place{path: layout.config, toml: true, edit: true, text: edited(layout.config)}, nil
	}
	return l.template(t, layout, main)
}

// byOurTemplate reports whether a k3s that has containerd 2 by now writes version 2 for
// the sake of a template that is all ours: without it, it would write version 3, and
// import other drop-ins than those of version 2.
func (l *loaded) byOurTemplate(t Tree, r release, layout Layout, read reader) (bool, error) {
	name := path.Join(path.Dir(layout.config), "config.toml.tmpl")
	if !layout.generated || l.version != 2 || r.before(2, 0) || !t.exists(name) {
		return false, nil
	}
	theirs, err := read(name)
	return theirs == nil, err
}

func (l *loaded) knownVersion(r release, doc map[string]any, layout Layout) error {
	v, has := doc["version"]
	newest := r.configVersion()
	switch {
	case layout.generated && (!has || l.version < 2):
		return fmt.Errorf("%s has version 1, since %s is made for it: write that file anew for version 2 or 3, beginning with {{ template \"base\" . }}, or upgrade %s and remove it, and restart %s", layout.config, path.Join(path.Dir(layout.config), "config.toml.tmpl"), layout.Name, layout.Name)
	case !has:
		return fmt.Errorf("%s has no version: write version = %d in its first line, and the names of plugins as in containerd config default", layout.config, newest)
	case l.version < 2 || l.version > 4:
		return fmt.Errorf("%s has version %v, and 2 to 4 are known: write it anew (containerd config migrate)", layout.config, v)
	case l.version > newest:
		return fmt.Errorf("%s has version %d, which containerd %s does not read (up to %d): write it anew, or say which containerd reads it by --containerd-version", layout.config, l.version, r, newest)
	}
	return nil
}

// whole writes a file of our own.
func whole(version int64) func([]byte, []tomledit.Want) ([]byte, []tomledit.Edit, error) {
	return func(_ []byte, wants []tomledit.Want) ([]byte, []tomledit.Edit, error) {
		return fmt.Appendf(nil, "%sversion = %d\n\n%s", dropInHead, version, tomledit.Tables(wants)), nil, nil
	}
}

// edited changes somebody's file in place.
func edited(name string) func([]byte, []tomledit.Want) ([]byte, []tomledit.Edit, error) {
	return func(old []byte, wants []tomledit.Want) ([]byte, []tomledit.Edit, error) {
		edits, err := tomledit.Set(old, wants)
		if errors.Is(err, tomledit.ErrByHand) {
			return nil, nil, byHand(name, err, wants)
		}
		return tomledit.Apply(old, edits), edits, err
	}
}

func byHand(name string, err error, wants []tomledit.Want) error {
	return fmt.Errorf("%s: %w. Make it say this, and run nodegate install again:\n\n%s", name, err, tomledit.Tables(wants))
}

// template adds to the template that k3s or RKE2 makes the configuration of.
func (l *loaded) template(t Tree, layout Layout, generated []byte) (*place, error) {
	folder := path.Dir(layout.config)
	name, other := "config-v3.toml.tmpl", "config.toml.tmpl"
	if l.version == 2 {
		name, other = other, name
	}
	if !t.exists(path.Join(folder, name)) && t.exists(path.Join(folder, other)) {
		return nil, fmt.Errorf("%s has version %d, and there is %s, which is for another version: restart %s, so that both agree, or rename the template to %s",
			layout.config, l.version, path.Join(folder, other), layout.Name, name)
	}
	p := &place{path: path.Join(folder, name), edit: true}
	p.text = func(old []byte, wants []tomledit.Want) ([]byte, []tomledit.Edit, error) {
		// What the template gives is what can be seen of it: the generated file.
		block := "\n" + tomledit.Block(wants)
		result, err := tomledit.Parse(append(bytes.Clone(generated), "\n"+block...))
		if err != nil || len(tomledit.Missing(result, wants)) > 0 {
			err := fmt.Errorf("the template cannot change tables that are there already: %w", tomledit.ErrByHand)
			return nil, nil, fmt.Errorf("%w\nOr upgrade to a %s whose configuration imports a folder. For the default runtime, leave --default-runtime out, and let pods name the handler by a RuntimeClass; %s itself takes no default-runtime that it has not found by itself", byHand(p.path, err, wants), layout.Name, layout.Name)
		}
		if old == nil {
			return []byte(dropInHead + "{{ template \"base\" . }}\n" + block), nil, nil
		}
		if len(old) > 0 && old[len(old)-1] != '\n' {
			block = "\n" + block
		}
		edit := tomledit.Edit{At: len(old), New: block}
		return tomledit.Apply(old, []tomledit.Edit{edit}), []tomledit.Edit{edit}, nil
	}
	return p, nil
}

// How tools say that they write a file anew.
var managedPattern = regexp.MustCompile(`(?i)\b(ansible|puppet|saltstack|cfengine|terraform|cloud-init|k0s_managed=true|configmgmt|configuration management|managed by|maintained by|generated by|autogenerated|auto-generated|do not edit|do not modify|do not change)\b`)

// k0sManaged is the first line of a configuration that k0s writes itself.
var k0sManaged = regexp.MustCompile(`^# k0s_managed=true\s`)

// managed refuses to edit a file that somebody will write anew. That is said at its head;
// further down a comment is about what is beside it.
func managed(name string, text []byte) error {
	i := 0
	for line := range strings.Lines(string(text)) {
		i++
		line = strings.TrimSpace(line)
		switch {
		case line != "" && !strings.HasPrefix(line, "#"):
			return nil
		case managedPattern.MatchString(line):
			return fmt.Errorf("line %d of %s says %q: what is added here would be lost: add it where the file comes from, or edit it all the same by --edit-managed (the chart: nri.runtime.editManaged=true)", i, name, line)
		}
	}
	return nil
}
