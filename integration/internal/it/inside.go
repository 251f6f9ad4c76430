// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// Tests of nodes that are containers run this very program in a container: there it
// starts a node of its own, as it does on a machine. Such a test has an outer and an
// inner half; this variable says which part of the inner one to run.
const insideEnv = "NODEGATE_INSIDE"

// Inside is the inner part to run, "" for the outer half.
func Inside() string { return os.Getenv(insideEnv) }

// Where a container has this program, its node's programs, and a volume for that node's
// directory: overlayfs takes no upper layer that is on an overlayfs.
const (
	insideProgram = "/nodegate/test"
	InsideBin     = "/nodegate/bin"
	InsideVolume  = "/nodegate/tmp"
)

// InsideMounts are the volumes that a container needs to run this program.
func InsideMounts(t *testing.T, n *node.Node) []node.Mount {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(n.Dir(), "inside")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	return []node.Mount{
		{HostPath: program, ContainerPath: insideProgram, ReadOnly: true},
		{HostPath: bin, ContainerPath: InsideBin, ReadOnly: true},
		{HostPath: tmp, ContainerPath: InsideVolume},
	}
}

// InsideCommand is the command line that runs a part of the test's inner half.
func InsideCommand(t *testing.T, part string) []string {
	t.Helper()
	return []string{"env", insideEnv + "=" + part, node.BinDirEnv + "=" + InsideBin, node.RequireEnv + "=1", "TMPDIR=" + InsideVolume,
		insideProgram, "-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=10m"}
}

// StartInside starts the inner half's node.
func StartInside(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	// What containerd and the node expect of a system, and a volatile root does not have.
	Must(t, os.MkdirAll("/var/lib", 0o755))
	for _, name := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o644)
		Must(t, err)
		f.Close()
	}
	return StartNode(t, o)
}
