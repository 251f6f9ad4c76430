// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package nested

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/integration/node"
)

// writeShare writes what engines are given: programs that Debian does not have, an image,
// what to build from it, and bundles.
func (x *nest) writeShare(t *testing.T) {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	for _, dir := range []string{"bin", "context", "rootfs/proc", "rootfs/dev", "rootfs/sys", "rootfs/mnt"} {
		it.Must(t, os.MkdirAll(filepath.Join(x.share, dir), 0o755))
	}
	for _, name := range []string{"runc", "limitless", "buildkitd", "buildctl"} {
		copyProgram(t, filepath.Join(bin, name), filepath.Join(x.share, "bin", name))
	}
	copyProgram(t, filepath.Join(bin, "probe"), filepath.Join(x.share, "rootfs/probe"))
	it.Must(t, os.WriteFile(filepath.Join(x.share, "bin/runc-limitless"), []byte("#!/bin/sh\nexec /share/bin/limitless runc \"$@\"\n"), 0o755))
	it.Must(t, os.WriteFile(filepath.Join(x.share, "context/Dockerfile"), []byte("FROM docker.io/local/inner:1\nRUN [\"/probe\", \"mkdir\", \"/built\"]\n"), 0o644))

	f, err := os.Create(filepath.Join(x.share, "inner.tar"))
	it.Must(t, err)
	it.Must(t, node.WriteImage(f, "docker.io/local/inner:1", ocispec.ImageConfig{Cmd: []string{"/probe", "pause"}}, innerLayer(t, filepath.Join(bin, "probe"))), f.Close())

	x.writeBundle(t, "plain", func(s *specs.Spec) { s.Process.Args = []string{"/probe", "sysctl", "kernel.hostname"} })
	x.writeBundle(t, "user", func(s *specs.Spec) {
		s.Process.Args = []string{"/probe", "pause"}
		s.Process.User = specs.User{UID: 1000, GID: 1000}
	})
	// A cgroup of this name is asked for, so that a runtime may not do without it.
	x.writeBundle(t, "limited", func(s *specs.Spec) {
		s.Process.Args = []string{"/probe", "cat", "/proc/self/cgroup"}
		s.Linux.CgroupsPath = "/limited"
	})
}

// copyProgram links a program, or copies it to another file system.
func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	if os.Link(from, to) == nil {
		return
	}
	content, err := os.ReadFile(from)
	it.Must(t, err)
	it.Must(t, os.WriteFile(to, content, 0o755))
}

// innerLayer is the probe and a folder of files, two of which only root of the machine
// may make.
func innerLayer(t *testing.T, program string) io.ReadSeeker {
	t.Helper()
	content, err := os.ReadFile(program)
	it.Must(t, err)
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "probe", Mode: 0o755, Size: int64(len(content))},
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "nodes/", Mode: 0o755},
		{Typeflag: tar.TypeChar, Name: "nodes/null", Mode: 0o666, Devmajor: 1, Devminor: 3},
		{Typeflag: tar.TypeBlock, Name: "nodes/disk", Mode: 0o666, Devmajor: 7, Devminor: 0},
		{Typeflag: tar.TypeFifo, Name: "nodes/fifo", Mode: 0o666},
	} {
		it.Must(t, w.WriteHeader(&h))
		_, err := w.Write(content[:h.Size])
		it.Must(t, err)
	}
	it.Must(t, w.Close())
	return bytes.NewReader(layer.Bytes())
}

// writeBundle writes a bundle as `runc spec` does, for a program without a terminal.
func (x *nest) writeBundle(t *testing.T, name string, change func(*specs.Spec)) {
	t.Helper()
	dir := filepath.Join(x.share, name)
	it.Must(t, os.Mkdir(dir, 0o755))
	if text, err := exec.Command(filepath.Join(x.share, "bin/runc"), "spec", "--bundle", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	path := filepath.Join(dir, "config.json")
	content, err := os.ReadFile(path)
	it.Must(t, err)
	var spec specs.Spec
	it.Must(t, json.Unmarshal(content, &spec))
	spec.Version = "1.0.2" // Debian's crun knows no later one
	spec.Root = &specs.Root{Path: "/share/rootfs", Readonly: true}
	spec.Process.Terminal = false
	spec.Hostname = "hostname-of-inner"
	change(&spec)
	content, err = json.Marshal(spec)
	it.Must(t, err)
	it.Must(t, os.WriteFile(path, content, 0o644))
}
