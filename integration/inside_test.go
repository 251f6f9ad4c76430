// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

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

// inside is the inner part to run, "" for the outer half.
func inside() string { return os.Getenv(insideEnv) }

// Where a container has this program, its node's programs, and a volume for that node's
// directory: overlayfs takes no upper layer that is on an overlayfs.
const (
	insideProgram = "/nodegate/test"
	insideBin     = "/nodegate/bin"
	insideVolume  = "/nodegate/tmp"
)

// insideMounts are the volumes that a container needs to run this program.
func insideMounts(t *testing.T, n *node.Node) []node.Mount {
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
		{HostPath: bin, ContainerPath: insideBin, ReadOnly: true},
		{HostPath: tmp, ContainerPath: insideVolume},
	}
}

// insideCommand is the command line that runs a part of the test's inner half.
func insideCommand(t *testing.T, part string) []string {
	t.Helper()
	return []string{"env", insideEnv + "=" + part, node.BinDirEnv + "=" + insideBin, node.RequireEnv + "=1", "TMPDIR=" + insideVolume,
		insideProgram, "-test.run=^" + t.Name() + "$", "-test.v", "-test.timeout=2m"}
}

// startInside starts the inner half's node.
func startInside(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	// What containerd and the node expect of a system, and a volatile root does not have.
	must(t, os.MkdirAll("/var/lib", 0o755))
	for _, name := range []string{"/etc/hosts", "/etc/resolv.conf"} {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o644)
		must(t, err)
		f.Close()
	}
	return startNode(t, o)
}
