// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// An editor or the kubelet makes several events of one change. What they are
// busy with is looked at once it has been quiet for settle, or after patience
// where it is never quiet.
const (
	settle   = 200 * time.Millisecond
	patience = 2 * time.Second
)

// Watch calls changed, from a goroutine of its own and never twice at a time,
// whenever the policy at path or a drop-in has other content than before, or
// has appeared or gone. It returns once it is watching: load the policy after
// that, and no change is missed. It ends with the context.
//
// Directories are watched and not files, since most changes put a new file in
// the place of the old one: a rename, or Kubernetes' swap of the link ..data.
// If the directory of the main file is itself removed, nothing is seen of one
// that is made in its place.
func Watch(ctx context.Context, path string, changed func()) error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the policy: %w", err)
	}
	w := watcher{path: path, events: events, changed: changed}
	if err := events.Add(filepath.Dir(path)); err != nil {
		_ = events.Close()
		return fmt.Errorf("watch the directory of the policy: %w", err)
	}
	w.follow()
	w.seen = w.fingerprint()
	go w.run(ctx)
	return nil
}

type watcher struct {
	path    string
	events  *fsnotify.Watcher
	changed func()
	seen    [sha256.Size]byte
}

func (w *watcher) run(ctx context.Context) {
	defer func() { _ = w.events.Close() }()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	var since time.Time // the first event that is not yet looked at
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-w.events.Events:
			if !ok {
				return
			}
		case _, ok := <-w.events.Errors: // events were lost, perhaps ours
			if !ok {
				return
			}
		case <-quiet.C:
			since = time.Time{}
			w.look()
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		quiet.Reset(max(0, min(settle, patience-time.Since(since))))
	}
}

// look follows links that lead elsewhere now, and reports other content.
func (w *watcher) look() {
	w.follow()
	if now := w.fingerprint(); now != w.seen {
		w.seen = now
		w.changed()
	}
}

// follow watches the directories in which a change can happen: of the main
// file, of the drop-ins, and of what links among them lead to.
func (w *watcher) follow() {
	dirs := []string{filepath.Dir(w.path)}
	add := func(dir string) {
		if target, err := filepath.EvalSymlinks(dir); err == nil && !slices.Contains(dirs, target) {
			dirs = append(dirs, target)
		}
	}
	add(filepath.Join(filepath.Dir(w.path), dropInDir))
	names, _ := dropIns(w.path) // an error is told when the policy is loaded
	for _, name := range append(names, w.path) {
		if target, err := filepath.EvalSymlinks(name); err == nil {
			add(filepath.Dir(target))
		}
	}
	for _, dir := range w.events.WatchList() {
		if !slices.Contains(dirs, dir) {
			_ = w.events.Remove(dir) // fails for one that has gone, and is then not watched anyway
		}
	}
	for _, dir := range dirs {
		_ = w.events.Add(dir) // may have gone again; its parent's event brings us back
	}
}

// fingerprint tells contents apart, and kinds of failure to read them. Going
// by content rather than by events leaves out whatever else happens in the
// directory, and what was written as it was.
func (w *watcher) fingerprint() [sha256.Size]byte {
	files, err := readFiles(w.path)
	sum := sha256.New()
	fmt.Fprintf(sum, "%v\n", err)
	for _, f := range files {
		fmt.Fprintf(sum, "%q %d\n", f.name, len(f.data))
		sum.Write(f.data)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}
