// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a Unix socket that this agent put at its path.
//
// During a rolling update two agents want the path. The newer one renames its
// own socket over the other's, so that at any moment there is one to ask; the
// older one, whose socket has no name any more, takes the path again if nobody
// answers there.
type socket struct {
	net.Listener
	path     string
	dev, ino uint64 // of the socket's file
}

// lookAgain is how often an agent looks whether its path is served.
const lookAgain = 2 * time.Second

// listenUnix makes a socket of mode 0600 and puts it in the place of whatever
// socket is there.
func listenUnix(path string) (*socket, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the socket's directory: %w", err)
	}
	if err := safe(dir); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("%s exists and is not a socket: remove it, or name another path in server.listen", path)
	}
	// A directory that nobody else may enter: the socket is nobody's before it
	// has its mode.
	tmp, err := os.MkdirTemp(dir, ".s")
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // empty
	at := filepath.Join(tmp, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("making the socket (its path may have some 90 bytes): %w", err)
	}
	l.SetUnlinkOnClose(false) // what has the name by then may be another's
	s := &socket{Listener: l, path: path}
	var st unix.Stat_t
	if err := errors.Join(os.Chmod(at, 0o600), unix.Lstat(at, &st), os.Rename(at, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("putting the socket in its place: %w", err), l.Close())
	}
	s.dev, s.ino = st.Dev, st.Ino
	return s, nil
}

// safe refuses a directory in which others could put a socket of their own.
func safe(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("looking at the socket's directory: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("looking at the socket's directory: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 || st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("others can write to %s (mode %v, uid %d): name a directory of root's by server.listen", dir, info.Mode().Perm(), st.Uid)
	}
	return nil
}

// ours reports whether the path still leads to this socket.
func (s *socket) ours() bool {
	var st unix.Stat_t
	return unix.Lstat(s.path, &st) == nil && st.Dev == s.dev && st.Ino == s.ino
}

// lost closes its channel when nobody answers at the path any more: the agent
// that had taken it over has ended, or somebody removed it.
func (s *socket) lost(ctx context.Context) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lookAgain):
			}
			if s.ours() {
				continue
			}
			conn, err := net.DialTimeout("unix", s.path, time.Second)
			if err == nil {
				_ = conn.Close()
				continue
			}
			close(gone)
			return
		}
	}()
	return gone
}

// close removes the socket's file if it is still this socket's.
func (s *socket) close() {
	if s.ours() {
		_ = os.Remove(s.path)
	}
	_ = s.Close()
}
