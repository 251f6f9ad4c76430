// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// What k3s reads and writes, and the releases of the stand-in for it (hack/pins/k3s): the
// older one imports no drop-ins.
const (
	k3sData    = "/var/lib/rancher/k3s/data"
	k3sConfigs = "/var/lib/rancher/k3s/agent/etc/containerd"
	k3sOld     = "v1.35.6"
	k3sNew     = "v1.36.4"
)

// newK3s makes a host that has k3s's programs: one file, and links to it by which it goes.
func newK3s(t *testing.T, release string) *host {
	t.Helper()
	bin, err := node.BinDir()
	if err == nil {
		_, err = os.Stat(filepath.Join(bin, "k3s"))
	}
	if err != nil {
		node.Cannot(t, "run a stand-in for k3s: "+err.Error()+": run make runtimes")
	}
	h := newHost(t, "")
	h.must(os.Remove(h.at("/etc/containerd")))
	h.o.Containerd = "" // it is asked
	h.config, h.program = k3sConfigs+"/config.toml", k3sData+"/current/bin/containerd"
	program, err := os.ReadFile(filepath.Join(bin, "k3s"))
	h.must(err)
	for _, r := range []string{k3sOld, k3sNew} {
		h.write(k3sData+"/"+r+"/bin/k3s", string(program))
		h.must(os.Chmod(h.at(k3sData+"/"+r+"/bin/k3s"), 0o755))
		h.must(os.Symlink("k3s", h.at(k3sData+"/"+r+"/bin/containerd")))
	}
	h.upgrade(release)
	return h
}

// upgrade has the host go on with another release.
func (h *host) upgrade(release string) {
	h.Helper()
	_ = os.Remove(h.at(k3sData + "/current")) // there is none at first
	h.must(os.Symlink(release, h.at(k3sData+"/current")))
	h.start()
}

// start is what a start of k3s does to the files.
func (h *host) start() {
	h.Helper()
	cmd := exec.Command(k3sData+"/current/bin/k3s", "generate")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: h.root}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		h.Fatalf("k3s generate: %v: %s", err, out)
	}
}

func (h *host) has(name string) bool { return Tree{h.root}.exists(name) }

// A k3s is installed on by what it writes itself, asked by the name that it goes by, and
// has its own back.
func TestK3s(t *testing.T) {
	const v2, v3, dropIn = k3sConfigs + "/config.toml.tmpl", k3sConfigs + "/config-v3.toml.tmpl", k3sConfigs + "/config-v3.toml.d/zz-nodegate.toml"
	const theirs = "{{ template \"base\" . }}\n\n[proxy_plugins.x]\n  type = \"snapshot\"\n  address = \"/run/x.sock\"\n"
	for name, tc := range map[string]struct {
		release, template, text string // the administrator's template
		want                    string // the file that is written
		byDefault               bool
	}{
		"imports":                 {release: k3sNew, want: dropIn, byDefault: true},
		"imports and a template":  {release: k3sNew, template: v3, text: theirs, want: dropIn},
		"nothing":                 {release: k3sOld, want: v3},
		"a template":              {release: k3sOld, template: v3, text: theirs, want: v3, byDefault: true},
		"a template of version 2": {release: k3sOld, template: v2, text: theirs, want: v2},
		"version 2 under a newer": {release: k3sNew, template: v2, text: theirs, want: k3sConfigs + "/config.toml.d/zz-nodegate.toml"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newK3s(t, tc.release)
			if tc.template != "" {
				h.write(tc.template, tc.text)
				h.start()
			}
			h.o.DefaultRuntime = tc.byDefault
			before := h.tree()
			h.install()
			if !h.has(tc.want) || !strings.Contains(h.read(tc.want), "nodegate-runc") {
				t.Errorf("%s is not written", tc.want)
			}
			h.again()
			for range 2 { // it is kept over starts
				h.start()
				h.expect(node.DefaultContainerd, tc.byDefault, nil)
				h.again()
			}
			h.uninstall()
			h.start()
			h.same(before, name)
		})
	}
}

// A k3s without imports is upgraded to one that has them: the template goes on working,
// and the next installation puts a drop-in in its place.
func TestK3sUpgrade(t *testing.T) {
	h := newK3s(t, k3sNew)
	before := h.tree()
	h.upgrade(k3sOld)
	h.install()
	h.start()
	h.expect(node.DefaultContainerd, false, nil)
	h.upgrade(k3sNew)
	h.expect(node.DefaultContainerd, false, nil)
	h.install()
	if h.has(k3sConfigs+"/config-v3.toml.tmpl") || !h.has(k3sConfigs+"/config-v3.toml.d/zz-nodegate.toml") {
		t.Error("the template stays")
	}
	h.start()
	h.expect(node.DefaultContainerd, false, nil)
	h.again()
	h.uninstall()
	h.start()
	h.same(before, "uninstalled")
}

// What is called by another name answers for another program: that is said.
func TestK3sByAnotherName(t *testing.T) {
	h := newK3s(t, k3sNew)
	_, err := Tree{h.root}.containerdVersion(t.Context(), []string{k3sData + "/current/bin/k3s"})
	want := "asking " + k3sData + "/current/bin/k3s for its version: \"k3s version " + k3sNew + "+k3s1"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "is not a version of containerd: write for example --containerd-version 2.2.1") {
		t.Errorf("%v\nwant %s …", err, want)
	}
}

// A k3s whose data-dir is another folder is told by its configuration's path.
func TestK3sDataDir(t *testing.T) {
	const data = "/srv/k3s"
	for _, layout := range []string{"auto", "k3s"} {
		h := newK3s(t, k3sNew)
		h.must(os.Mkdir(h.at("/srv"), 0o755))
		h.must(os.Rename(h.at("/var/lib/rancher/k3s"), h.at(data)))
		h.must(os.Remove(h.at("/var/lib/rancher")))
		h.o.Layout, h.o.Config = "auto", ""
		h.refused("by --config DIR/agent/etc/containerd/config.toml for a k3s or RKE2 whose data-dir is DIR")
		h.config, h.program = data+"/agent/etc/containerd/config.toml", data+"/data/current/bin/containerd"
		h.o.Layout, h.o.Config = layout, h.config
		h.write(h.config, strings.ReplaceAll(h.read(h.config), "/var/lib/rancher/k3s", data))
		before := h.tree()
		h.install()
		if !h.has(data + "/agent/etc/containerd/config-v3.toml.d/zz-nodegate.toml") {
			t.Error("the drop-in is not where this k3s reads it")
		}
		h.again()
		h.uninstall()
		h.same(before, "uninstalled")
	}
}
