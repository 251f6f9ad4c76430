// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/record"
)

// ExpectOwnRecord compares the container's record with what its spec says: the agent
// that changed the spec is the one whose record is there.
func ExpectOwnRecord(t *testing.T, g *Gate, c *node.Container) {
	t.Helper()
	store, err := record.Open(g.State)
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Read(c.ID)
	if err != nil {
		t.Error(err)
		return
	}
	if nonce := SpecOf(t, c).Annotations[record.Annotation]; nonce != r.Nonce || nonce == "" {
		t.Errorf("the spec's nonce is %q, the record's %q", nonce, r.Nonce)
	}
}

// Marks is a volume in which a container's program leaves a mark if it ever runs.
type Marks string

// NewMarks makes the volume on the node.
func NewMarks(t *testing.T, n *node.Node) Marks {
	t.Helper()
	dir := filepath.Join(n.Dir(), "marks")
	Must(t, os.Mkdir(dir, 0o755))
	return Marks(dir)
}

// Container is a container that leaves a mark of this name, and ends.
func (m Marks) Container(name string) node.ContainerConfig {
	return node.ContainerConfig{Name: name, Command: []string{node.ProbePath, "mkdir", "/marks/" + name},
		Mounts: []node.Mount{{HostPath: string(m), ContainerPath: "/marks"}}}
}

// Expect says whether the program of that container ran.
func (m Marks) Expect(t *testing.T, name string, ran bool) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(string(m), name)); ran != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the program of container %q ran: %v, want %v", name, err == nil, ran)
	}
}
