// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/crio"
)

// Layout is how a distribution configures and starts containerd.
type Layout struct {
	Name     string
	config   string   // what containerd reads
	programs []string // where containerd is
	units    []string // that run it
	state    string   // containerd's, unless the configuration says another
	socket   string   // the same; "" for one in the state's folder
	dropIns  string   // a folder that is read beside the configuration, as long as that is generated
	// generated is true where the configuration is written anew at each start, from
	// templates beside it.
	generated bool
	data      string // the folder that holds configuration and programs, if the node may have another; k3s's and RKE2's data-dir
}

// generatedConfig is where k3s and RKE2 write containerd's configuration, below their data
// directory.
const generatedConfig = "/agent/etc/containerd/config.toml"

// Layouts are the names for --layout.
var Layouts = []string{"auto", "containerd", "k3s", "rke2", "k0s", "microk8s", crioName}

var layouts = []Layout{
	{
		Name: "containerd", config: "/etc/containerd/config.toml", units: []string{"containerd"}, state: "/run/containerd",
		programs: []string{"/usr/local/bin/containerd", "/usr/bin/containerd", "/usr/sbin/containerd", "/usr/local/sbin/containerd", "/opt/bin/containerd"},
	},
	{
		Name: "k3s", config: "/var/lib/rancher/k3s" + generatedConfig, generated: true, data: "/var/lib/rancher/k3s",
		programs: []string{"/var/lib/rancher/k3s/data/current/bin/containerd"}, units: []string{"k3s", "k3s-agent"}, state: "/run/k3s/containerd",
	},
	{
		Name: "rke2", config: "/var/lib/rancher/rke2" + generatedConfig, generated: true, data: "/var/lib/rancher/rke2",
		programs: []string{"/var/lib/rancher/rke2/bin/containerd"}, units: []string{"rke2-server", "rke2-agent"}, state: "/run/k3s/containerd",
	},
	{
		Name: "k0s", config: "/etc/k0s/containerd.toml", dropIns: "/etc/k0s/containerd.d", units: []string{"k0scontroller", "k0sworker"},
		programs: []string{"/var/lib/k0s/bin/containerd"}, state: "/run/k0s/containerd", socket: "/run/k0s/containerd.sock",
	},
	{ // what its containerd reads is made of this at each start
		Name: "microk8s", config: "/var/snap/microk8s/current/args/containerd-template.toml", units: []string{"snap.microk8s.daemon-containerd"},
		programs: []string{"/snap/microk8s/current/bin/containerd"},
		state:    "/var/snap/microk8s/common/run/containerd", socket: "/var/snap/microk8s/common/run/containerd.sock",
	},
	crioLayout,
}

// layout finds out how containerd is configured on this node, or takes the caller's
// word.
func (t Tree) layout(name, config string) (Layout, error) {
	if config != "" && !path.IsAbs(config) {
		return Layout{}, fmt.Errorf("%q is not an absolute path: write for example --config /etc/containerd/config.toml", config)
	}
	if name == "auto" || name == "" {
		name = t.named(config)
	}
	var found []Layout
	for _, l := range layouts {
		if name == l.Name || name == "" && t.looksLike(l) {
			found = append(found, l)
		}
	}
	switch {
	case len(found) == 1:
	case name != "":
		return Layout{}, fmt.Errorf("there is no layout %q: write one of %s", name, strings.Join(Layouts, ", "))
	case len(found) == 0:
		return Layout{}, errors.New("there is no containerd, k3s, RKE2, k0s, MicroK8s or CRI-O on this node: install it first, or say which it is by --layout; by --config DIR" + generatedConfig + " for a k3s or RKE2 whose data-dir is DIR; and by --root if the node's files are elsewhere")
	default:
		var names, configs []string
		for _, l := range found {
			names, configs = append(names, l.Name), append(configs, l.config)
		}
		return Layout{}, fmt.Errorf("this node has more than one container runtime (%s): say which is the kubelet's by --layout, one of %s",
			strings.Join(configs, ", "), strings.Join(names, ", "))
	}
	l := found[0]
	if config != "" {
		return l.configuredBy(path.Clean(config)), nil
	}
	if l.Name == "containerd" {
		return l, t.asStarted(&l)
	}
	return l, nil
}

// configuredBy is the layout of a node whose configuration is not where it is by default:
// k3s's and RKE2's programs lie below the same data directory.
func (l Layout) configuredBy(config string) Layout {
	l.config = config
	if data, ok := strings.CutSuffix(config, generatedConfig); ok && l.generated {
		programs := make([]string, len(l.programs))
		for i, p := range l.programs {
			programs[i] = data + strings.TrimPrefix(p, l.data)
		}
		l.data, l.programs = data, programs
	}
	return l
}

// named tells the layout by a configuration's path; "" for no path. What lies where k3s and
// RKE2 write theirs is of the one whose program lies below the same data directory.
func (t Tree) named(config string) string {
	if config == "" {
		return ""
	}
	config = path.Clean(config)
	for _, l := range layouts[1:] {
		if config == l.config {
			return l.Name
		}
	}
	for _, l := range layouts[1:] {
		if strings.HasSuffix(config, generatedConfig) && slices.ContainsFunc(l.configuredBy(config).programs, t.exists) && l.generated {
			return l.Name
		}
	}
	return layouts[0].Name
}

func (t Tree) looksLike(l Layout) bool {
	marks := []string{path.Dir(l.config)}
	if l.Name == crioName { // whose folder stays on a node that had it once
		marks = []string{l.config, crio.DropIns}
	}
	if slices.ContainsFunc(marks, t.exists) {
		return true
	}
	for _, p := range l.programs {
		if !l.generated && t.exists(p) {
			return true
		}
	}
	return false
}
