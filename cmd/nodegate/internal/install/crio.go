// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/crio"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

const crioName = "crio" // of its layout and of its unit

// crioDropIn sorts after what distributions put there, such as 10-crio.conf.
const crioDropIn = "zz-nodegate.conf"

var crioLayout = Layout{
	Name: crioName, config: crio.DefaultConfig, units: []string{crioName},
	programs: []string{"/usr/bin/crio", "/usr/local/bin/crio", "/usr/sbin/crio"},
}

// crio plans the drop-in for CRI-O. Its program is asked for nothing: what it would
// be told is the same for every release.
func (p *planner) crio(layout Layout) (*needs, error) {
	if err := p.tree.plainFolder(crio.DropIns); err != nil {
		return nil, err
	}
	read := func(name string) ([]byte, error) { return dataOf(p.base(name)) }
	s, err := crio.Load(layout.config, crio.DropIns, read, p.tree.list)
	if err != nil {
		return nil, err
	}
	if p.next.Socket, _ = tomledit.Get[string](s.Doc, crio.Listen); p.next.Socket == "" {
		p.next.Socket = crio.DefaultSocket
	}
	p.plan.socket = p.next.Socket
	if err := p.tree.crioDefault(s); err != nil {
		return nil, err
	}
	n, err := crioNeeds(s, p.next.Binary, p.o)
	if err != nil || len(n.wants) == 0 {
		return n, err
	}
	p.plan.Notes = append(p.plan.Notes, n.notes...)
	name := path.Join(crio.DropIns, crioDropIn)
	data, err := p.change(&place{path: name, toml: true, text: func(_ []byte, wants []tomledit.Want) ([]byte, []tomledit.Edit, error) {
		return []byte(dropInHead + "\n" + tomledit.Tables(wants)), nil, nil
	}}, n.wants)
	if err != nil {
		return n, err
	}
	return n, p.crioTakesEffect(layout, name, data, n.wants, read)
}

// crioTakesEffect loads the configuration with what is planned, as CRI-O will.
func (p *planner) crioTakesEffect(layout Layout, name string, data []byte, wants []tomledit.Want, read reader) error {
	s, err := crio.Load(layout.config, crio.DropIns, func(n string) ([]byte, error) {
		if n == name {
			return data, nil
		}
		return read(n)
	}, func(folder string) ([]string, error) {
		names, err := p.tree.list(folder)
		return insert(names, path.Base(name)), err
	})
	if err != nil {
		return err
	}
	for _, w := range tomledit.Missing(s.Doc, wants) {
		return fmt.Errorf("%s would not take effect, since a file that is read later says something else (%s): change it there:\n\n%s",
			name, s.Files[len(s.Files)-1], tomledit.Tables([]tomledit.Want{w}))
	}
	return nil
}

// plainFolder refuses a folder of drop-ins that is a link: CRI-O does not follow it
// there, reads it as a file, and does not start.
func (t Tree) plainFolder(folder string) error {
	d, err := t.open(path.Dir(folder), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.close()
	var st unix.Stat_t
	switch err := unix.Fstatat(d.fd, path.Base(folder), &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return &fs.PathError{Op: "stat", Path: folder, Err: err}
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return fmt.Errorf("%s is a link, which CRI-O does not follow: it reads it as a file and does not start: put the folder itself there", folder)
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a folder: make one there, since CRI-O reads its drop-ins from it", folder)
	}
	return nil
}

// crioNeeds compares what CRI-O is told already with what nodegate needs.
func crioNeeds(s *crio.Settings, binary string, o Options) (*needs, error) {
	n := &needs{runtimes: map[string]string{}}
	if err := n.crioHandler(s, binary, o.DefaultRuntime); err != nil {
		return nil, err
	}
	for _, name := range o.Wrap {
		if err := n.crioBeside(s, name, binary); err != nil {
			return nil, err
		}
	}
	if on, _ := tomledit.Lookup(s.Doc, key(crio.NRI, "enable_nri")); on != true {
		n.want(true, crio.NRI, "enable_nri")
	}
	if off, _ := tomledit.Lookup(s.Doc, key(crio.NRI, "nri_disable_connections")); off == true {
		n.want(false, crio.NRI, "nri_disable_connections")
	}
	if socket, _ := tomledit.Get[string](s.Doc, key(crio.NRI, "nri_listen")); socket != "" && socket != "/var/run/nri/nri.sock" && socket != "/run/nri/nri.sock" {
		n.socket = socket
	}
	n.validator(s.Doc, crio.Validator, "nri_enable_default_validator")
	return n, nil
}

// crioHandler carries the options of the node's own handler over to nodegate's.
func (n *needs) crioHandler(s *crio.Settings, binary string, byDefault bool) error {
	base := s.Default()
	if base == Handler {
		return fmt.Errorf("CRI-O's configuration (%s and what is in %s) says default_runtime = %q already, which nodegate cannot build on: write default_runtime = \"crun\" or \"runc\" under [crio.runtime] there, and run nodegate install --default-runtime",
			crio.DefaultConfig, crio.DropIns, Handler)
	}
	table, has := s.Handler(base)
	if !has && base != crio.BuiltIn {
		return fmt.Errorf("CRI-O's default_runtime is %q, and it has no [crio.runtime.runtimes.%s], so that it does not start: write that table", base, base)
	}
	if kind, _ := table["runtime_type"].(string); !slices.Contains(crioTypes, kind) {
		return fmt.Errorf("CRI-O's default_runtime %q has runtime_type = %q: nodegate-runc is called in the place of runc or crun, and there is none", base, kind)
	}
	n.runtime = base
	if program, _ := table["runtime_path"].(string); program != "" && program != binary {
		n.runtime = program
	}
	if byDefault {
		n.want(Handler, crio.DefaultRuntime[:2], crio.DefaultRuntime[2])
	}
	if own, has := s.Handler(Handler); has {
		if theirs, _ := own["runtime_path"].(string); theirs != binary {
			return fmt.Errorf("CRI-O has a runtime handler %q already, whose runtime_path is %q: remove it, or make its runtime_path %q", Handler, theirs, binary)
		}
		return nil
	}
	at := key(crio.Runtimes, Handler)
	n.want(binary, at, "runtime_path")
	n.pastWrapper(table, base, Handler)
	return n.carry(table, at, crioOwn...)
}

// crioDefault looks for the runtime of a CRI-O that is told none: a release before 1.31
// would take another.
func (t Tree) crioDefault(s *crio.Settings) error {
	if name, _ := tomledit.Get[string](s.Doc, crio.DefaultRuntime); name != "" {
		return nil
	}
	table, _ := s.Handler(crio.BuiltIn)
	if program, _ := table["runtime_path"].(string); program != "" {
		return nil
	}
	for _, folder := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if t.exists(path.Join(folder, crio.BuiltIn)) {
			return nil
		}
	}
	return fmt.Errorf("CRI-O's configuration (%s and what is in %s) names no default_runtime, and there is no crun, which is CRI-O's own default from 1.31 on: write default_runtime = \"crun\" or \"runc\" under [crio.runtime] in a drop-in of your own",
		crio.DefaultConfig, crio.DropIns)
}

// crioTypes are the runtime_types that call runc or crun.
var crioTypes = []string{"", "oci", "pod"}

// crioOwn is what is not carried over from a handler: it would choose the program.
var crioOwn = []string{"runtime_path", "platform_runtime_paths", "inherit_default_runtime"}

func (n *needs) pastWrapper(table map[string]any, base, name string) {
	if paths, _ := table["platform_runtime_paths"].(map[string]any); len(paths) > 0 {
		n.notes = append(n.notes, fmt.Sprintf("the handler %q has platform_runtime_paths, which go past the wrapper: the handler %q has none", base, name))
	}
}
