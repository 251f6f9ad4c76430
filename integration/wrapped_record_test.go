// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/record"
)

// spoiled is what may become of a record between the agent's answer and the wrapper,
// and what the pod's event says then. No pod can do any of it; another program of the
// node might.
type spoiled struct {
	name  string
	spoil func(t *testing.T, file string)
	want  string
}

func spoils(g *gate, other *node.Container) []spoiled {
	notTrusted := "its decision record cannot be trusted: "
	return []spoiled{
		{"gone", func(t *testing.T, file string) { must(t, os.Remove(file)) },
			"has no decision record, so its adjustment is not known: see that the nodegate agent runs on this node"},
		{"of-another-answer", func(t *testing.T, file string) {
			fresh, err := record.New()
			must(t, err)
			store, err := record.Open(g.State)
			must(t, err)
			r, err := store.Read(strings.TrimSuffix(filepath.Base(file), ".json"))
			must(t, err)
			r.Nonce = fresh.Nonce
			must(t, store.Write(r))
		}, "has a decision record that is not the one which the agent's answer names"},
		{"of-another-container", func(t *testing.T, file string) {
			text, err := os.ReadFile(filepath.Join(filepath.Dir(file), other.ID+".json"))
			must(t, err)
			must(t, os.WriteFile(file, text, 0o600))
		}, notTrusted + "decision record"},
		{"writable-by-a-group", func(t *testing.T, file string) { must(t, os.Chmod(file, 0o620)) }, "others than root can write it"},
		{"of-another-user", func(t *testing.T, file string) { must(t, os.Chown(file, 1000, 0)) }, "belongs to uid 1000, not to root"},
		{"link", func(t *testing.T, file string) {
			must(t, os.Rename(file, file+".moved"), os.Symlink(file+".moved", file))
			t.Cleanup(func() { must(t, os.Remove(file+".moved")) })
		}, "is a symbolic link"},
		{"fifo", func(t *testing.T, file string) { must(t, os.Remove(file), syscall.Mkfifo(file, 0o600)) }, "is not a regular file"},
		{"truncated", func(t *testing.T, file string) { must(t, os.Truncate(file, 60)) }, notTrusted},
		{"empty", func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) }, notTrusted},
		{"huge", func(t *testing.T, file string) { must(t, os.Truncate(file, 1<<30)) }, "more than a record may have"},
		{"of-another-release", func(t *testing.T, file string) {
			text, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, bytes.Replace(text, []byte(`"version":1`), []byte(`"version":2`), 1), 0o600))
		}, "version 2 is not 1: another release of nodegate wrote it"},
		{"in-an-open-directory", func(t *testing.T, file string) { must(t, os.Chmod(filepath.Dir(file), 0o770)) },
			"others than root can write it"},
	}
}

// A record that is not root's own about this very container and this very answer is
// not carried out, and the container's program does not run.
func TestWrappedSpoiledRecord(t *testing.T) {
	n, w := wrappedNode(t, node.Options{})
	g, _ := startAgent(t, n, grantApart("mknod"))
	w.exempt(t, g.State)
	pod := runPod(t, n, node.PodConfig{Namespace: "ci", Handler: wrapped, Annotations: askFor("mknod")})
	other := runContainer(t, pod, node.ContainerConfig{Name: "other"})
	marks := newMarks(t, n)
	start := func(t *testing.T, name string, before func(file string)) error {
		t.Helper()
		c, err := pod.CreateContainer(t.Context(), marks.container(name))
		must(t, err)
		defer func() { must(t, c.Remove(t.Context())) }()
		before(filepath.Join(g.State, "decisions", c.ID+".json"))
		err = pod.StartContainer(t.Context(), c)
		must(t, os.Chmod(filepath.Join(g.State, "decisions"), 0o700)) // the agent trusts no other either
		if err == nil {
			_, err = c.Wait(t.Context())
		}
		return err
	}
	must(t, start(t, "as-it-is", func(string) {}))
	marks.expect(t, "as-it-is", true)
	for _, s := range spoils(g, other) {
		t.Run(s.name, func(t *testing.T) {
			err := start(t, s.name, func(file string) { s.spoil(t, file) })
			var event *node.EventError
			if !errors.As(err, &event) || !strings.Contains(event.Message, `nodegate: container "`+s.name+`" of pod ci/`) ||
				!strings.Contains(event.Message, s.want) {
				t.Errorf("got %v, want %s", err, s.want)
			}
			marks.expect(t, s.name, false)
		})
	}
	expect(t, other, "mknod c /tmp/one 1 3", "ok") // none of it touched another
}

// marks is a volume in which a container's program leaves a mark if it ever runs.
type marks string

func newMarks(t *testing.T, n *node.Node) marks {
	t.Helper()
	dir := filepath.Join(n.Dir(), "marks")
	must(t, os.Mkdir(dir, 0o755))
	return marks(dir)
}

func (m marks) container(name string) node.ContainerConfig {
	return node.ContainerConfig{Name: name, Command: []string{node.ProbePath, "mkdir", "/marks/" + name},
		Mounts: []node.Mount{{HostPath: string(m), ContainerPath: "/marks"}}}
}

func (m marks) expect(t *testing.T, name string, ran bool) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(string(m), name)); ran != (err == nil) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the program of container %q ran: %v, want %v", name, err == nil, ran)
	}
}
