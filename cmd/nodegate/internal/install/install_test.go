// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"text/template"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/tomledit"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

// host is a scratch host, whose containerd is a real one and runs in it.
type host struct {
	*testing.T
	root, config, program string
	o                     Options
}

// newHost makes a host with a containerd of a version, or without one for "".
func newHost(t *testing.T, version string) *host {
	t.Helper()
	h := &host{T: t, root: t.TempDir(), config: "/etc/containerd/config.toml", program: "/usr/bin/containerd"}
	h.o = Options{Root: h.root, From: t.TempDir(), Unit: true, Containerd: "2.2.9"}
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		h.must(os.WriteFile(filepath.Join(h.o.From, name), []byte("\x7fELF "+name), 0o755))
	}
	h.write("/etc/hostname", "scratch\n")
	h.must(os.MkdirAll(h.at("/usr/local/bin"), 0o755))
	if version == "" {
		h.must(os.MkdirAll(h.at("/etc/containerd"), 0o755))
		return h
	}
	program, err := os.ReadFile(filepath.Join(binDir(), "containerd-"+version, "containerd"))
	if err != nil && os.Getenv("CI") == "" && os.Getenv("NODEGATE_REQUIRE") == "" {
		t.Skipf("run make runtimes: %v", err)
	}
	h.must(err)
	h.write("/usr/bin/containerd", string(program))
	h.must(os.Chmod(h.at("/usr/bin/containerd"), 0o755))
	h.must(os.MkdirAll(h.at("/etc/containerd"), 0o755))
	h.o.Containerd = ""
	return h
}

// binDir is where make runtimes builds.
func binDir() string {
	if dir := os.Getenv("NODEGATE_BIN"); dir != "" {
		return dir
	}
	return "../../../../bin"
}

func (h *host) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *host) at(name string) string { return filepath.Join(h.root, name) }

func (h *host) write(name, text string) {
	h.Helper()
	h.must(os.MkdirAll(filepath.Dir(h.at(name)), 0o755))
	h.must(os.WriteFile(h.at(name), []byte(text), 0o644))
}

func (h *host) read(name string) string {
	h.Helper()
	text, err := os.ReadFile(h.at(name))
	h.must(err)
	return string(text)
}

// containerd runs the host's own containerd there.
func (h *host) containerd(args ...string) string {
	h.Helper()
	cmd := exec.Command(h.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: h.root}
	cmd.Dir = "/"
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		h.Fatalf("containerd %q: %v: %s", args, err, errs.String())
	}
	if strings.Contains(errs.String(), "unknown key") {
		h.Errorf("containerd %q: %s", args, errs.String())
	}
	return out.String()
}

// tree is all that there is, with owners, modes and contents.
func (h *host) tree() map[string]string {
	h.Helper()
	all := map[string]string{}
	h.must(filepath.WalkDir(h.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		what := fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			what += " " + sum(text)
		}
		all[strings.TrimPrefix(name, h.root)] = what
		return nil
	}))
	return all
}

func (h *host) same(before map[string]string, what string) {
	h.Helper()
	after := h.tree()
	for name := range before {
		if before[name] != after[name] {
			h.Errorf("%s: %s was %q and is %q", what, name, before[name], after[name])
		}
	}
	for name := range after {
		if _, had := before[name]; !had {
			h.Errorf("%s: %s is new", what, name)
		}
	}
}

func (h *host) plan() *Plan {
	h.Helper()
	p, err := NewPlan(h.Context(), h.o)
	h.must(err)
	return p
}

func (h *host) install() *Plan {
	h.Helper()
	p := h.plan()
	h.must(p.Apply())
	return p
}

func (h *host) uninstall() {
	h.Helper()
	r, err := NewRemoval(RemovalOptions{Root: h.root})
	h.must(err)
	h.must(r.Apply())
}

// again shows that a second run finds nothing to do and touches nothing.
func (h *host) again() {
	h.Helper()
	p := h.plan()
	if !p.Empty() {
		var diff bytes.Buffer
		p.Diff(&diff)
		h.Errorf("a second run would change something:\n%s", diff.String())
	}
}

// golden compares the change of containerd's files with testdata.
func (h *host) golden(name string, p *Plan) {
	h.Helper()
	var runtime Plan
	for _, w := range p.Writes {
		if strings.Contains(w.Path, "containerd") {
			runtime.Writes = append(runtime.Writes, w)
		}
	}
	var got bytes.Buffer
	runtime.Diff(&got)
	file := filepath.Join("testdata/golden", name+".diff")
	if *update {
		h.must(os.MkdirAll(filepath.Dir(file), 0o755))
		h.must(os.WriteFile(file, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	h.must(err)
	if got.String() != string(want) {
		h.Errorf("the change of %s:\n%s\nwant\n%s", name, got.String(), want)
	}
}

// expect looks at what containerd makes of its configuration.
func (h *host) expect(version string, byDefault bool, runtime map[string]any) {
	h.Helper()
	dump, err := tomledit.Parse([]byte(h.containerd("--config", h.config, "config", "dump")))
	h.must(err)
	cri, nri := []string{"plugins", criV3}, []string{"plugins", nriPlugin}
	if version == "1.7.35" {
		cri = []string{"plugins", criV2}
	}
	handler := key(cri, "containerd", "runtimes", Handler)
	wants := []tomledit.Want{
		{Key: key(handler, "runtime_type"), Value: runcShim},
		{Key: key(handler, "options", "BinaryName"), Value: "/usr/local/bin/nodegate-runc"},
		{Key: key(nri, "disable"), Value: false},
	}
	if runtime["privileged_without_host_devices"] == nil { // else there is none, as before
		wants = append(wants, tomledit.Want{Key: key(cri, "containerd", "runtimes", "runc", "runtime_type"), Value: runcShim})
	}
	for k, v := range runtime {
		wants = append(wants, tomledit.Want{Key: key(handler, strings.Split(k, ".")...), Value: v})
	}
	if version > "2.2" {
		wants = append(wants, tomledit.Want{Key: key(nri, "default_validator", "enable"), Value: true},
			tomledit.Want{Key: key(nri, "default_validator", "required_plugins"), Value: []any{}})
	}
	if byDefault {
		wants = append(wants, tomledit.Want{Key: key(cri, "containerd", "default_runtime_name"), Value: Handler})
	}
	for _, w := range tomledit.Missing(dump, wants) {
		got, _ := tomledit.Lookup(dump, w.Key)
		h.Errorf("containerd %s: %s is %v, want %v", version, strings.Join(w.Key, "."), got, w.Value)
	}
}

// What containerd itself, a distribution or an administrator may have written, edited
// and loaded by each containerd that reads it, and put back.
func TestContainerds(t *testing.T) {
	systemd := map[string]any{"options.SystemdCgroup": true}
	none := map[string]any{}
	nvidia := map[string]any{"options.SystemdCgroup": true, "privileged_without_host_devices": true}
	annotated := map[string]any{"options.SystemdCgroup": true, "pod_annotations": []any{"example.org/*"}}
	for _, version := range []string{"2.4.2", "2.3.7", "2.2.9", "2.0.14", "1.7.35"} {
		t.Run(version, func(t *testing.T) {
			h := newHost(t, version)
			empty := h.tree()
			for _, tc := range []struct {
				name      string
				versions  string
				byDefault bool
				runtime   map[string]any
			}{
				{"none", "1.7.35 2.0.14 2.2.9 2.3.7 2.4.2", false, none},
				{"default", "1.7.35 2.0.14 2.2.9 2.3.7 2.4.2", false, none},
				{"default", "1.7.35 2.0.14 2.2.9 2.3.7 2.4.2", true, none},
				{"v2-minimal", "1.7.35 2.2.9", false, none},
				{"v2-commented", "1.7.35 2.0.14 2.4.2", true, annotated},
				{"v2-imports", "1.7.35 2.0.14 2.4.2", true, systemd},
				{"v3-minimal", "2.0.14 2.4.2", true, none},
				{"v3-commented", "2.2.9 2.4.2", true, nvidia},
				{"v3-imports", "2.0.14 2.2.9 2.4.2", true, systemd},
				{"v4-commented", "2.3.7 2.4.2", true, systemd},
			} {
				if !strings.Contains(tc.versions, version) {
					continue
				}
				name := fmt.Sprintf("%s/%s", version, tc.name)
				if tc.byDefault {
					name += "-default-runtime"
				}
				h.o.DefaultRuntime = tc.byDefault
				switch tc.name {
				case "none":
				case "default":
					h.write(h.config, h.containerd("config", "default"))
				default:
					text, err := os.ReadFile("testdata/configs/" + tc.name + ".toml")
					h.must(err)
					h.write(h.config, string(text))
				}
				before := h.tree()
				h.golden(name, h.install())
				h.expect(version, tc.byDefault, tc.runtime)
				h.again()
				h.uninstall()
				h.same(before, name)
				if err := os.Remove(h.at(h.config)); err != nil && tc.name != "none" {
					t.Error(err)
				}
			}
			h.same(empty, "all")
		})
	}
}

// k3s and RKE2 write the configuration anew at each start: by its imports where it has
// them, and else by a template, with one of the administrator's or without.
func TestGenerated(t *testing.T) {
	for _, tc := range []struct {
		name, version, layout, template, old string
		byDefault                            bool
	}{
		{"k3s-v2", "1.7.35", "k3s", "config.toml.tmpl", "", false},
		{"k3s-v3", "2.0.14", "k3s", "config-v3.toml.tmpl", "", false},
		{"k3s-v3", "2.2.9", "k3s", "config-v3.toml.tmpl", "{{ template \"base\" . }}\n\n# ours\n[proxy_plugins.x]\n  type = \"snapshot\"", true},
		{"k3s-v2-imports", "1.7.35", "k3s", "config.toml.tmpl", "", false}, // an import there would replace what k3s says
		{"k3s-v3-imports", "2.2.9", "k3s", "", "", false},
		{"rke2-v3-imports", "2.2.9", "rke2", "", "", true},
		{"k3s-v3-today", "2.4.2", "k3s", "", "", true},
		{"rke2-v3-today", "2.4.2", "rke2", "", "", false},
	} {
		name := tc.name + "-" + tc.version
		t.Run(name, func(t *testing.T) {
			h := newHost(t, tc.version)
			h.must(os.Remove(h.at("/etc/containerd")))
			h.program = map[string]string{"k3s": layouts[1].programs[0], "rke2": layouts[2].programs[0]}[tc.layout]
			h.must(os.MkdirAll(h.at(filepath.Dir(h.program)), 0o755))
			h.must(os.Rename(h.at("/usr/bin/containerd"), h.at(h.program)))
			h.o.DefaultRuntime = tc.byDefault
			folder := "/var/lib/rancher/" + tc.layout + "/agent/etc/containerd/"
			h.config = folder + "config.toml"
			base, err := os.ReadFile("testdata/configs/" + tc.name + ".toml")
			h.must(err)
			start := func() {
				text := "{{ template \"base\" . }}"
				if tc.template != "" && (Tree{h.root}).exists(folder+tc.template) {
					text = h.read(folder + tc.template)
				}
				tmpl := template.Must(template.New("user").Parse(text))
				template.Must(tmpl.New("base").Parse(string(base)))
				var out bytes.Buffer
				h.must(tmpl.Execute(&out, nil))
				h.write(h.config, out.String())
			}
			if tc.old != "" {
				h.write(folder+tc.template, tc.old)
			}
			start()
			before := h.tree()
			h.golden(name, h.install())
			h.again()
			start()
			h.expect(tc.version, tc.byDefault, map[string]any{"options.SystemdCgroup": true})
			h.again()
			h.uninstall()
			start()
			h.same(before, name)
		})
	}
}

// A k3s that came with containerd 1.7 and has 2 by now goes on with version 2, because of
// the template: what was installed stays where it is read.
func TestGeneratedAfterAnUpgrade(t *testing.T) {
	h := newHost(t, "")
	h.must(os.Remove(h.at("/etc/containerd")))
	h.config = layouts[1].config
	folder := filepath.Dir(h.config)
	generate := func(name string) {
		base, err := os.ReadFile("testdata/configs/" + name + ".toml")
		h.must(err)
		template := ""
		if (Tree{h.root}).exists(folder + "/config.toml.tmpl") {
			_, template, _ = strings.Cut(h.read(folder+"/config.toml.tmpl"), "{{ template \"base\" . }}\n")
		}
		h.write(h.config, string(base)+template)
	}
	generate("k3s-v2")
	before := h.tree()
	h.o.Containerd = "1.7.35"
	h.install()
	generate("k3s-v2-imports")
	h.o.Containerd = "2.2.9"
	h.install()
	h.again()
	if (Tree{h.root}).exists(folder+"/config.toml.d") || !strings.Contains(h.read(folder+"/config.toml.tmpl"), "runtimes.nodegate") {
		t.Error("moved to where it is not read after the next start")
	}
	h.uninstall()
	generate("k3s-v3-imports")
	h.install()
	h.uninstall()
	generate("k3s-v2")
	h.same(before, "uninstalled")
}

// The node's own containerd says which version it is.
func TestVersionFromTheHost(t *testing.T) {
	for _, version := range []string{"1.7.35", "2.4.2"} {
		h := newHost(t, version)
		// As k3s has it: behind a link of its own.
		h.must(os.Symlink("/usr/bin/containerd", h.at("/usr/local/bin/containerd")))
		got, err := Tree{h.root}.containerdVersion(t.Context(), layouts[0].programs)
		if err != nil || !strings.HasPrefix(version, got.String()+".") {
			t.Errorf("%s: %v %v", version, got, err)
		}
		h.must(os.Chmod(h.at("/usr/bin/containerd"), 0o777))
		if got, err := (Tree{h.root}).containerdVersion(t.Context(), layouts[0].programs); err == nil {
			t.Errorf("a program that everybody can write was run: %v", got)
		}
	}
}

// That containerd was not waited for any longer is what the error says, not how it was ended.
func TestVersionNotTold(t *testing.T) {
	h := newHost(t, "2.4.2")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no answer within 1m0s"))
	_, err := Tree{h.root}.containerdVersion(ctx, layouts[0].programs)
	if want := "asking /usr/bin/containerd for its version: no answer within 1m0s: say it by --containerd-version"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestParseRelease(t *testing.T) {
	for s, want := range map[string]release{
		"containerd github.com/containerd/containerd/v2 v2.4.2 abc":                  {2, 4},
		"containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6ubuntu1": {1, 7},
		"containerd github.com/k3s-io/containerd v2.1.5-k3s1 \n":                     {2, 1},
		"2.3": {2, 3}, "v2.10.1+unknown": {2, 10},
		"1.6.9": {}, "3.0.0": {}, "": {}, "latest": {}, "2": {}, "2.x": {},
	} {
		got, err := parseRelease(s)
		if (err != nil) != (want == release{}) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v %v", s, got, err)
		}
	}
}
