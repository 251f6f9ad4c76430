// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
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

func spoils(g *it.Gate, other *node.Container) []spoiled {
	notTrusted := "its decision record cannot be trusted: "
	return []spoiled{
		{"gone", func(t *testing.T, file string) { it.Must(t, os.Remove(file)) },
			"has no decision record, so its adjustment is not known: see that the nodegate agent runs on this node"},
		{"of-another-answer", func(t *testing.T, file string) {
			fresh, err := record.New()
			it.Must(t, err)
			store, err := record.Open(g.State)
			it.Must(t, err)
			r, err := store.Read(strings.TrimSuffix(filepath.Base(file), ".json"))
			it.Must(t, err)
			r.Nonce = fresh.Nonce
			it.Must(t, store.Write(r))
		}, "has a decision record that is not the one which the agent's answer names"},
		{"of-another-container", func(t *testing.T, file string) {
			text, err := os.ReadFile(filepath.Join(filepath.Dir(file), other.ID+".json"))
			it.Must(t, err)
			it.Must(t, os.WriteFile(file, text, 0o600))
		}, notTrusted + "decision record"},
		{"writable-by-a-group", func(t *testing.T, file string) { it.Must(t, os.Chmod(file, 0o620)) }, "others than root can write it"},
		{"of-another-user", func(t *testing.T, file string) { it.Must(t, os.Chown(file, 1000, 0)) }, "belongs to uid 1000, not to root"},
		{"link", func(t *testing.T, file string) {
			it.Must(t, os.Rename(file, file+".moved"), os.Symlink(file+".moved", file))
			t.Cleanup(func() { it.Must(t, os.Remove(file+".moved")) })
		}, "is a symbolic link"},
		{"fifo", func(t *testing.T, file string) { it.Must(t, os.Remove(file), syscall.Mkfifo(file, 0o600)) }, "is not a regular file"},
		{"truncated", func(t *testing.T, file string) { it.Must(t, os.Truncate(file, 60)) }, notTrusted},
		{"empty", func(t *testing.T, file string) { it.Must(t, os.Truncate(file, 0)) }, notTrusted},
		{"huge", func(t *testing.T, file string) { it.Must(t, os.Truncate(file, 1<<30)) }, "more than a record may have"},
		{"of-another-release", func(t *testing.T, file string) {
			text, err := os.ReadFile(file)
			it.Must(t, err)
			it.Must(t, os.WriteFile(file, bytes.Replace(text, []byte(`"version":2`), []byte(`"version":3,"unheard":1`), 1), 0o600))
		}, "version 3 is not 2: another release of nodegate wrote it"},
		{"of-the-former-release", func(t *testing.T, file string) {
			text, err := os.ReadFile(file)
			it.Must(t, err)
			it.Must(t, os.WriteFile(file, []byte(strings.NewReplacer(`"version":2`, `"version":1`, `"given":`, `"cgroup":`).Replace(string(text))), 0o600))
		}, "version 1 is not 2: another release of nodegate wrote it"},
		{"in-an-open-directory", func(t *testing.T, file string) { it.Must(t, os.Chmod(filepath.Dir(file), 0o770)) },
			"others than root can write it"},
	}
}

// A record that is not root's own about this very container and this very answer is
// not carried out, and the container's program does not run.
func TestWrappedSpoiledRecord(t *testing.T) {
	n, w := it.WrappedNode(t, node.Options{})
	g, _ := it.StartAgent(t, n, it.GrantApart("mknod"))
	w.Exempt(t, g.State)
	pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskFor("mknod")})
	other := it.RunContainer(t, pod, node.ContainerConfig{Name: "other"})
	marks := it.NewMarks(t, n)
	start := func(t *testing.T, name string, before func(file string)) error {
		t.Helper()
		c, err := pod.CreateContainer(t.Context(), marks.Container(name))
		it.Must(t, err)
		defer func() { it.Must(t, c.Remove(t.Context())) }()
		before(filepath.Join(g.State, "decisions", c.ID+".json"))
		err = pod.StartContainer(t.Context(), c)
		it.Must(t, os.Chmod(filepath.Join(g.State, "decisions"), 0o700)) // the agent trusts no other either
		if err == nil {
			_, err = c.Wait(t.Context())
		}
		return err
	}
	it.Must(t, start(t, "as-it-is", func(string) {}))
	marks.Expect(t, "as-it-is", true)
	for _, s := range spoils(g, other) {
		t.Run(s.name, func(t *testing.T) {
			err := start(t, s.name, func(file string) { s.spoil(t, file) })
			var event *node.EventError
			if !errors.As(err, &event) || !strings.Contains(event.Message, `nodegate: container "`+s.name+`" of pod ci/`) ||
				!strings.Contains(event.Message, s.want) {
				t.Errorf("got %v, want %s", err, s.want)
			}
			marks.Expect(t, s.name, false)
		})
	}
	it.Expect(t, other, "mknod c /tmp/one 1 3", "ok") // none of it touched another
}
