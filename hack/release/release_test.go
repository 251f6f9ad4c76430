// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testOptions(t *testing.T, source string) options {
	t.Helper()
	return options{source: source, out: filepath.Join(t.TempDir(), "out"), make: "all", version: "0.1.0", commit: strings.Repeat("a", 40), created: time.Unix(1700000000, 0).UTC()}
}

// The same tree at another place and another time gives the same bytes: of everything but
// kubectl's plugins, which are built in the same way.
func TestReproducible(t *testing.T) {
	first := testOptions(t, "../..")
	must(t, run(first))
	elsewhere := filepath.Join(t.TempDir(), "a", "copy")
	must(t, os.MkdirAll(elsewhere, 0o755))
	clone := exec.Command("sh", "-c", `git -C "$1" ls-files -z --cached --others --exclude-standard | tar -C "$1" --null -T - -c | tar -C "$2" -x -m`, "sh", "../..", elsewhere)
	clone.Stderr = os.Stderr
	must(t, clone.Run())
	second := testOptions(t, elsewhere)
	must(t, run(second))
	sums, err := os.ReadFile(filepath.Join(first.out, checksumsFile))
	must(t, err)
	again, err := os.ReadFile(filepath.Join(second.out, checksumsFile))
	must(t, err)
	if !bytes.Equal(sums, again) {
		t.Errorf("not the same twice:\n%s\nand\n%s", sums, again)
	}
	check := exec.Command("sha256sum", "--quiet", "-c", checksumsFile)
	check.Dir = second.out
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	checkLayout(t, first)
	for _, p := range nodePlatforms {
		checkArchive(t, first, p.arch)
		checkList(t, first, p.arch)
		checkNodeArchive(t, first, p.arch)
	}
	checkDeb(t, first)
	checkChart(t, first)
	checkProvenance(t, first, string(sums))
}

// checkLayout reads the layout as another tool would and checks every digest in it.
func checkLayout(t *testing.T, o options) {
	t.Helper()
	l, err := layout.ImageIndexFromPath(filepath.Join(o.out, "oci"))
	must(t, err)
	must(t, validate.Index(l))
	top, err := l.IndexManifest()
	must(t, err)
	if len(top.Manifests) != 1 || top.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != o.version {
		t.Errorf("the layout's top: %+v", top.Manifests)
	}
	digests, err := os.ReadFile(filepath.Join(o.out, "digests.txt"))
	must(t, err)
	if !strings.HasPrefix(string(digests), top.Manifests[0].Digest.String()+" index\n") {
		t.Errorf("digests.txt does not name the index: %s", digests)
	}
}

// checkArchive checks what docker load would read: the programs, static and for their
// architecture, and the licences of all that is linked.
func checkArchive(t *testing.T, o options, arch string) {
	t.Helper()
	image, err := tarball.ImageFromPath(filepath.Join(o.out, "nodegate-linux-"+arch+".tar"), nil)
	must(t, err)
	must(t, validate.Image(image))
	c, err := image.ConfigFile()
	must(t, err)
	if c.Architecture != arch || c.Config.User != "0:0" || c.Config.Entrypoint[0] != "/usr/bin/nodegate" || c.Config.Labels["org.opencontainers.image.version"] != o.version {
		t.Errorf("configuration: %+v", c)
	}
	dir := t.TempDir()
	unpack := exec.Command("tar", "-C", dir, "-x")
	unpack.Stdin, unpack.Stderr = mutate.Extract(image), os.Stderr
	must(t, unpack.Run())
	for _, name := range []string{"nodegate", "nodegate-runc"} {
		program, err := elf.Open(filepath.Join(dir, "usr/bin", name))
		must(t, err)
		if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; program.Machine != want || program.Section(".interp") != nil {
			t.Errorf("%s: %s, interpreter %v", name, program.Machine, program.Section(".interp"))
		}
		must(t, program.Close())
	}
	for _, of := range []string{"github.com/nodegate/nodegate", "github.com/containerd/nri", "std", "github.com/opencontainers/runtime-spec"} {
		if _, err := os.Stat(filepath.Join(dir, "usr/share/nodegate/licenses", of, "LICENSE")); err != nil {
			t.Error(err)
		}
	}
}

// checkList reads the list of what is linked as another tool would.
func checkList(t *testing.T, o options, arch string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.out, "nodegate-linux-"+arch+".spdx.json"))
	must(t, err)
	doc, err := spdxjson.Read(bytes.NewReader(text))
	must(t, err)
	must(t, spdxlib.ValidateDocument(doc))
	if !json.Valid(text) || len(doc.Packages) < 10 || doc.Packages[0].PackageVersion != o.version {
		t.Errorf("%d packages", len(doc.Packages))
	}
	for _, want := range []string{`"github.com/containerd/nri"`, `"pkg:golang/stdlib@go`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s is not in the list", want)
		}
	}
}

func TestLicenceIsNeeded(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "NOTICE"), nil, 0o600))
	if _, err := licencesIn(dir, "example.org/m"); err == nil || !strings.Contains(err.Error(), "example.org/m has no licence file") {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"LICENSE", "LICENCE.md", "COPYING", "license-2.0.txt"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
		files, err := licencesIn(dir, "example.org/m")
		if err != nil || len(files) != 2 {
			t.Errorf("%s: %v, %v", name, files, err)
		}
		must(t, os.Remove(filepath.Join(dir, name)))
	}
}

// A failure leaves what was there before.
func TestFailureKeepsTheFormer(t *testing.T) {
	o := testOptions(t, t.TempDir())
	must(t, os.MkdirAll(o.out, 0o755))
	must(t, os.WriteFile(filepath.Join(o.out, "former"), nil, 0o600))
	if err := run(o); err == nil {
		t.Fatal("built from an empty tree")
	}
	if _, err := os.Stat(filepath.Join(o.out, "former")); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(o.out), ".release-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
