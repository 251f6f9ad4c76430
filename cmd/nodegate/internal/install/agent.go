// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/deploy"
)

const (
	configDir     = "/etc/nodegate"
	policyPath    = configDir + "/config.toml"
	handlersPath  = configDir + "/conf.d/50-default-runtime.toml"
	wrapperPath   = configDir + "/runc.toml"
	unitPath      = "/etc/systemd/system/nodegate.service"
	defaultPrefix = "/usr/local/bin"
	otherPrefix   = "/opt/nodegate/bin" // where /usr is read-only
)

// prefix chooses the folder of the programs.
func (p *planner) prefix() (string, error) {
	switch wanted := p.o.Prefix; {
	case wanted != "":
		if !path.IsAbs(wanted) {
			return "", fmt.Errorf("%q is not an absolute path: write for example --prefix %s", wanted, otherPrefix)
		}
		return path.Clean(wanted), nil
	case p.former != nil:
		return p.former.Prefix, nil
	case p.ofPackage():
		return packagePrefix, nil
	}
	for _, folder := range []string{defaultPrefix, otherPrefix} {
		if !p.tree.readOnly(folder) {
			return folder, nil
		}
	}
	return "", fmt.Errorf("neither %s nor %s can be written, the file systems are read-only: name a folder for the programs by --prefix", defaultPrefix, otherPrefix)
}

// readOnly reports whether a folder, or what it would have to be made in, lies on a
// read-only file system. Other errors are told when it is used.
func (t Tree) readOnly(folder string) bool {
	d, err := t.open(folder, nil)
	for errors.Is(err, fs.ErrNotExist) && folder != "/" {
		folder = path.Dir(folder)
		d, err = t.open(folder, nil)
	}
	if err != nil {
		return false
	}
	defer d.close()
	return errors.Is(unix.Faccessat(d.fd, ".", unix.W_OK, unix.AT_EACCESS), unix.EROFS)
}

// programs reads what is to be installed, from the folder from.
func programs(from string) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil && !bytes.HasPrefix(data, []byte("\x7fELF")) {
			err = errors.New("is not a program")
		}
		if err != nil {
			return nil, fmt.Errorf("%s in %s: %w: name the folder of nodegate and nodegate-runc by --from", name, from, err)
		}
		all[name] = data
	}
	return all, nil
}

// agentPolicy is what the other files have to know of the policy.
type agentPolicy struct {
	exists   bool
	handlers []string
	socket   string
	err      error
	AgentDirs
}

func (t Tree) policy() agentPolicy {
	p := agentPolicy{AgentDirs: defaultDirs, handlers: []string{Handler}}
	if p.exists = t.exists(policyPath); !p.exists {
		return p
	}
	c, err := config.Load(filepath.Join(t.root, policyPath))
	if err != nil {
		p.err = err
		return p
	}
	p.handlers, p.socket = c.Runtime.Handlers, c.NRI.Socket
	p.AgentDirs = AgentDirs{State: c.State.Dir, Shadows: c.State.ShadowDir}
	return p
}

// first writes the policy that a node begins with.
func first(n *needs, runtime string) []byte {
	var text strings.Builder
	text.Write(deploy.Policy())
	if n.socket != "" {
		fmt.Fprintf(&text, "\n# As in %s's configuration.\n%s", runtime, tomledit.Tables([]tomledit.Want{{Key: []string{"nri", "socket"}, Value: n.socket}}))
	}
	return []byte(text.String())
}

// unit names the program where it is.
func unit(prefix string) []byte {
	return bytes.ReplaceAll(deploy.Unit(), []byte("="+defaultPrefix+"/"), []byte("="+prefix+"/"))
}
