// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// In a rolling update two agents offer the same, and the kubelet asks the one that came
// last. Which of the two then ends makes no difference to it: it lets go of the one that
// it asks. If that is the one that stays, its stream ends, and it registers again. If it
// is the one that ends, the one that stays notices by the other's sockets.
// See https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/cm/devicemanager/plugin/v1beta1/handler.go

// peerEnded reports whether sockets of another agent are gone since the last look. It
// removes those of one that was killed.
func (s *Server) peerEnded() bool {
	peers := map[string]bool{}
	entries, _ := os.ReadDir(s.dir) // a directory that is not there has none
	for _, entry := range entries {
		name := filepath.Join(s.dir, entry.Name())
		if !strings.HasPrefix(entry.Name(), socketPrefix) || entry.Type() != os.ModeSocket || s.owns(name) {
			continue
		}
		conn, err := net.DialTimeout("unix", name, time.Second)
		switch {
		case err == nil:
			_ = conn.Close()
			peers[name] = true
		case errors.Is(err, unix.ECONNREFUSED):
			_ = os.Remove(name) // the kubelet would at its next start
		}
	}
	ended := false
	for name := range s.peers {
		ended = ended || !peers[name]
	}
	s.peers = peers
	return ended
}

func (s *Server) owns(socket string) bool {
	for _, e := range s.endpoints {
		if e.socket == socket {
			return true
		}
	}
	return false
}

// renewAfterPeers registers again when another agent has ended: at once, and when the kubelet
// has certainly heard of that end, since it then lets go of whatever it has by that time.
func (s *Server) renewAfterPeers(now time.Time) {
	switch {
	case s.peerEnded():
		s.again = now.Add(late)
	case s.again.IsZero() || now.Before(s.again):
		return
	default:
		s.again = time.Time{}
	}
	s.renew()
}

// renew has the endpoints registered again that the kubelet may have let go of unnoticed.
func (s *Server) renew() {
	for _, e := range s.endpoints {
		e.mu.Lock()
		if time.Since(e.registered) > 2*period {
			e.registered = time.Time{}
		}
		e.mu.Unlock()
	}
}
