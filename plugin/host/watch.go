// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Watch tells when something in /dev comes, goes, or changes its owner or mode.
type Watch struct {
	host   *Host
	events *os.File // inotify's
	fd     int
	tell   chan struct{}
}

// watched leaves out what is written to devices, which would wake the agent for every
// line to /dev/null; fsnotify cannot.
const watched = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_ONLYDIR

// WatchDevices begins to watch /dev and all directories of its file system, those
// that come later included, but for the agent's own. What the kernel and udev do there
// is seen in a container's mount of it as well.
func (h *Host) WatchDevices() (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watching /dev: %w", err)
	}
	w := &Watch{host: h, fd: fd, events: os.NewFile(uintptr(fd), "inotify"), tell: make(chan struct{}, 1)}
	if err := w.follow(); err != nil {
		_ = w.events.Close()
		return nil, fmt.Errorf("watching /dev: %w", err)
	}
	h.watching.Lock()
	defer h.watching.Unlock()
	h.watches = append(h.watches, w)
	go w.run()
	return w, nil
}

// Changed gets a value after one change or several. It is closed when the watch ends.
func (w *Watch) Changed() <-chan struct{} { return w.tell }

// Close ends the watch.
func (w *Watch) Close() { _ = w.events.Close() }

func (w *Watch) run() {
	defer close(w.tell)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.events.Read(buf)
		if err != nil {
			return // closed
		}
		w.changed()
		if directoriesCame(buf[:n]) {
			_ = w.follow() // what cannot be watched has gone again
			w.changed()    // in a directory that was not watched yet
		}
	}
}

func (w *Watch) changed() {
	select {
	case w.tell <- struct{}{}:
	default: // one is waiting already
	}
}

// directoriesCame reports whether a directory is new, or events were lost.
func directoriesCame(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		if mask&unix.IN_Q_OVERFLOW != 0 || mask&unix.IN_ISDIR != 0 && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 {
			return true
		}
		events = events[min(len(events), unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:]))):]
	}
	return false
}

// follow watches every directory; one that is watched stays so.
func (w *Watch) follow() error {
	dev, err := w.host.devFileSystem()
	if err != nil {
		return err
	}
	for dirs := []string{"/dev"}; len(dirs) > 0; dirs = dirs[1:] {
		if err := w.add(dirs[0]); err != nil && dirs[0] == "/dev" {
			return err
		}
		names, err := w.host.names(dev, dirs[0], maxEntries)
		if err != nil {
			continue // on another file system, or gone
		}
		for _, name := range names {
			at := dirs[0] + "/" + name
			own := at == w.host.shadowDir || below(at, w.host.shadowDir)
			if !own && w.host.fileType(at) == unix.S_IFDIR {
				dirs = append(dirs, at)
			}
		}
	}
	return nil
}

func (w *Watch) add(dir string) error {
	fd, err := w.host.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	// Between opening and watching nothing can be put in its place.
	if _, err := unix.InotifyAddWatch(w.fd, descriptorPath(fd), watched); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: %w", dir, err)
	}
	return nil
}
