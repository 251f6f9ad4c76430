// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	attestation "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// unpacked reads a tar.gz: the content of each file by its name.
func unpacked(t *testing.T, name string) map[string]string {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer func() { must(t, f.Close()) }()
	z, err := gzip.NewReader(f)
	must(t, err)
	all := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		all[h.Name] = string(text)
	}
}

// checkNodeArchive checks what nodegate install needs, and what licences ask for: NOTICE
// files too.
func checkNodeArchive(t *testing.T, o options, arch string) {
	t.Helper()
	base := "nodegate_" + o.version + "_linux_" + arch
	files := unpacked(t, filepath.Join(o.out, base+".tar.gz"))
	for _, name := range []string{"nodegate", "nodegate-runc", "README.md", "CHANGELOG.md", "docs/install.md", "docs/nodegate.txt", "config/samples/config.toml", "sbom.spdx.json"} {
		if files[base+"/"+name] == "" {
			t.Errorf("%s is not in %s", name, base)
		}
	}
	notices := files[base+"/THIRD-PARTY-NOTICES"]
	for _, want := range []string{"\ngithub.com/containerd/nri: LICENSE\n", "\nstd: LICENSE\n", "\ngithub.com/coreos/go-systemd/v22: NOTICE\n"} {
		if !strings.Contains(notices, want) {
			t.Errorf("%q is not in the notices", want)
		}
	}
}

// checkDeb checks by dpkg's own program that an administrator's policy is one, and that no
// script starts anything.
func checkDeb(t *testing.T, o options) {
	t.Helper()
	deb := filepath.Join(o.out, "nodegate_"+o.version+"_"+runtime.GOARCH+".deb")
	dir := t.TempDir()
	out, err := exec.Command("dpkg-deb", "-R", deb, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		return string(text)
	}
	if got := read("DEBIAN/conffiles"); got != "/etc/nodegate/config.toml\n" {
		t.Errorf("conffiles: %q", got)
	}
	if unit := read("usr/lib/systemd/system/nodegate.service"); !strings.Contains(unit, "\nExecStart=/usr/bin/nodegate run\n") {
		t.Errorf("the unit: %s", unit)
	}
	comment := regexp.MustCompile(`(?m)(^| )#.*`)
	starts := func(script string) bool {
		return regexp.MustCompile(`(systemctl|deb-systemd-\w+)[^\n]* (start|restart|try-restart|reload|enable|unmask)\b`).MatchString(comment.ReplaceAllString(script, ""))
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if text := read("DEBIAN/" + script); starts(text) || exec.Command("sh", "-n", filepath.Join(dir, "DEBIAN", script)).Run() != nil {
			t.Errorf("%s starts something, or is no script: %s", script, text)
		}
	}
	for _, of := range []string{"preun", "postun"} { // the rpm's
		text, err := os.ReadFile(filepath.Join(o.source, packageFolder, of))
		if must(t, err); starts(string(text)) {
			t.Errorf("%s starts something: %s", of, text)
		}
	}
}

// checkChart checks the chart's version, and that the artifact is the archive.
func checkChart(t *testing.T, o options) {
	t.Helper()
	archive := filepath.Join(o.out, "nodegate-chart-"+o.version+".tgz")
	files := unpacked(t, archive)
	if text := files["nodegate/Chart.yaml"]; !strings.Contains(text, "\nversion: \""+o.version+"\"\n") || !strings.Contains(text, "\nappVersion: \""+o.version+"\"\n") {
		t.Errorf("Chart.yaml: %s", text)
	}
	if files["nodegate/templates/daemonset.yaml"] == "" || files["nodegate/values.schema.json"] == "" {
		t.Error("files of the chart are missing")
	}
	l, err := layout.FromPath(filepath.Join(o.out, "chart"))
	must(t, err)
	top, err := l.ImageIndex()
	must(t, err)
	index, err := top.IndexManifest()
	must(t, err)
	image, err := l.Image(index.Manifests[0].Digest)
	must(t, err)
	m, err := image.Manifest()
	must(t, err)
	config, err := l.Bytes(m.Config.Digest)
	must(t, err)
	content, err := l.Bytes(m.Layers[0].Digest)
	must(t, err)
	want, err := os.ReadFile(archive)
	must(t, err)
	if !bytes.Equal(content, want) || m.Config.MediaType != chartConfig || m.Layers[0].MediaType != chartContent {
		t.Errorf("the artifact: %+v", m)
	}
	var metadata struct{ Name, Version string }
	must(t, json.Unmarshal(config, &metadata))
	if metadata.Name != "nodegate" || metadata.Version != o.version {
		t.Errorf("the artifact's configuration: %s", config)
	}
}

// checkProvenance reads the statement as another tool would: its subjects are the files.
func checkProvenance(t *testing.T, o options, sums string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.out, provenanceFile))
	must(t, err)
	var s attestation.Statement
	must(t, protojson.Unmarshal(text, &s))
	must(t, s.Validate())
	var list strings.Builder
	for _, subject := range s.GetSubject() {
		fmt.Fprintf(&list, "%s  %s\n", subject.GetDigest()["sha256"], subject.GetName())
	}
	if before, last, _ := strings.Cut(sums, list.String()); before != "" || !strings.HasSuffix(last, "  "+provenanceFile+"\n") {
		t.Errorf("its subjects are not the files:\n%s\n%s", list.String(), sums)
	}
	if !bytes.Contains(text, []byte(`"gitCommit": "`+o.commit+`"`)) {
		t.Errorf("its source: %s", text)
	}
}

// A plugin of kubectl is an archive for each platform, and krew's manifest names each.
func TestPlugin(t *testing.T) {
	o := testOptions(t, t.TempDir())
	o.plugins = []platform{{"linux", "amd64"}, {"windows", "amd64"}}
	for name, text := range map[string]string{
		"go.mod": "module " + projectPath + "\n\ngo 1.24\n", "LICENSE": "theirs\n", "cmd/kubectl-nodegate/main.go": "package main\n\nfunc main() {}\n",
	} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(o.source, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(o.source, name), []byte(text), 0o600))
	}
	if node, plugins, err := commands(o.source); err != nil || len(node) != 0 || !slices.Equal(plugins, []string{"kubectl-nodegate"}) {
		t.Fatalf("%q, %q, %v", node, plugins, err)
	}
	dir := t.TempDir()
	must(t, writePlugin(o, dir, t.TempDir(), "kubectl-nodegate"))
	manifest, err := os.ReadFile(filepath.Join(dir, "krew-kubectl-nodegate.yaml"))
	must(t, err)
	for _, c := range []struct{ os, bin string }{{"linux", "kubectl-nodegate"}, {"windows", "kubectl-nodegate.exe"}} {
		name := "kubectl-nodegate_0.1.0_" + c.os + "_amd64.tar.gz"
		files := unpacked(t, filepath.Join(dir, name))
		if files[c.bin] == "" || files["LICENSE"] != "theirs\n" || !strings.Contains(files["THIRD-PARTY-NOTICES"], "std: LICENSE") {
			t.Errorf("%s has %d files", name, len(files))
		}
		sum, err := exec.Command("sha256sum", filepath.Join(dir, name)).Output()
		must(t, err)
		want := "/v0.1.0/" + name + "\n    sha256: " + string(sum[:64]) + "\n    bin: " + c.bin + "\n"
		if !strings.Contains(string(manifest), want) {
			t.Errorf("%q is not in %s", want, manifest)
		}
	}
}

// A release has a version that the changelog describes.
func TestReleasable(t *testing.T) {
	o := testOptions(t, "../..")
	for version, want := range map[string]string{
		"0.1.0": "", "v0.1.0": "none of a release", "aa919ad": "none of a release", "9.9.9": "CHANGELOG.md has no section of version 9.9.9",
	} {
		o.version = version
		if err := releasable(o); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", version, err)
		}
	}
	for version, want := range map[string]string{"0.1.0": "0.1.0", "1.0.0-rc.1": "1.0.0~rc.1", "aa919ad-dirty": "0~aa919ad.dirty"} {
		if got := packageVersion(version); got != want {
			t.Errorf("%s: a package of version %s, want %s", version, got, want)
		}
	}
}
