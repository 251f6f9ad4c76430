// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// Image is the full name of the test image, whose only program is /probe. It
	// is the image of the pod sandboxes too.
	Image = "docker.io/local/probe:1"

	// BinDirEnv names the directory of built programs, bin/ of the repository.
	BinDirEnv = "NODEGATE_BIN"

	// RequireEnv turns a test that cannot run here from skipped to failed; so does CI.
	RequireEnv = "NODEGATE_REQUIRE"
)

// Options say which node to start. The zero value is a node with the default
// containerd and runc as its only OCI runtime.
type Options struct {
	// BinDir holds containerd-VERSION/, runc, cni/ and probe. Default: $NODEGATE_BIN,
	// or bin/ of the repository that the working directory is in.
	BinDir string

	// Containerd is the version to run, from BinDir/containerd-VERSION: one of
	// Containerds, or another that is built there. Default: DefaultContainerd.
	Containerd string

	// Runc is the OCI runtime of the default handler, "runc". Default: BinDir/runc.
	Runc string

	// Handlers are further runtime handlers, by name: the program that each runs as
	// its OCI runtime. A real node of nodegate has "nodegate": /path/of/nodegate-runc.
	Handlers map[string]string

	// DefaultHandler is the handler of pods that name none. Default: "runc".
	DefaultHandler string

	// ExtraConfig is a containerd configuration merged over the node's own, in the
	// same version's format and without its version line. 1.7 would put it in the
	// place of the node's own, so it is refused there.
	ExtraConfig string

	// PATH is put before the PATH of containerd and so of what it runs.
	PATH string

	// CgroupV2 gives the node cgroup v2 alone on a machine with v1, in its mount
	// namespace. The controllers stay with v1 on the host, so that limits are taken
	// out of each spec before the handler's program runs.
	CgroupV2 bool

	// SystemdCgroup has systemd make the pods' cgroups. It has to be PID 1 where the
	// node runs.
	SystemdCgroup bool
}

// withDefaults fills what is empty, from the environment where that says it.
func (o Options) withDefaults() (Options, error) {
	if o.BinDir == "" {
		dir, err := BinDir()
		if err != nil {
			return o, err
		}
		o.BinDir = dir
	}
	// Containerd runs with another working directory.
	dir, err := filepath.Abs(o.BinDir)
	if err != nil {
		return o, fmt.Errorf("finding the directory of built programs: %w", err)
	}
	o.BinDir = dir
	if o.Containerd == "" {
		o.Containerd = DefaultContainerd
	}
	if o.Runc == "" {
		o.Runc = filepath.Join(o.BinDir, "runc")
	}
	if o.DefaultHandler == "" {
		o.DefaultHandler = "runc"
	}
	return o, nil
}

func (o Options) containerd() string {
	return filepath.Join(o.BinDir, "containerd-"+o.Containerd, "containerd")
}

func (o Options) probe() string { return filepath.Join(o.BinDir, "probe") }
func (o Options) cni() string   { return filepath.Join(o.BinDir, "cni") }

func (o Options) limitless() string { return filepath.Join(o.BinDir, "limitless") }

// check says what this machine or tree lacks to run the node, in one sentence.
func (o Options) check() error {
	if os.Geteuid() != 0 {
		return errors.New("a node runs as root only")
	}
	v, err := parseRelease(o.Containerd)
	if err != nil {
		return err
	}
	if o.ExtraConfig != "" && !v.mergesDropIns() {
		return fmt.Errorf("containerd %s: a drop-in would replace the node's own configuration", o.Containerd)
	}
	programs := []string{
		o.containerd(), filepath.Join(filepath.Dir(o.containerd()), "containerd-shim-runc-v2"),
		o.Runc, o.probe(), filepath.Join(o.cni(), "ptp"), filepath.Join(o.cni(), "host-local"), filepath.Join(o.cni(), "loopback"),
	}
	if o.CgroupV2 {
		programs = append(programs, o.limitless())
	}
	for _, program := range programs {
		if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is not built: run make runtimes", program)
		} else if err != nil {
			return fmt.Errorf("looking for a program of the node: %w", err)
		}
	}
	return nil
}

// BinDir is the directory of built programs: $NODEGATE_BIN, or bin/ of the repository
// that the working directory, which for a test is its package, is in.
func BinDir() (string, error) {
	if dir := os.Getenv(BinDirEnv); dir != "" {
		return dir, nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the directory of built programs: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module github.com/nodegate/nodegate\n") {
			return filepath.Join(dir, "bin"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no nodegate repository around %q: set %s", wd, BinDirEnv)
		}
	}
}
