// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"maps"
	"net"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// Handlers says which runtime handlers run nodegate-runc, as far as that is known.
type Handlers struct {
	// Wrapped is by the handler's name, "" for the default one. The runtime has no handler
	// that is not here, unless Unknown says otherwise.
	Wrapped map[string]policy.Known[bool]
	Unknown string // why nothing is known of a handler that is not in Wrapped
}

// wraps reports whether a handler runs nodegate-runc. If it does not, or that is not
// known, it says so.
func (h *Handlers) wraps(name string) (is policy.Known[bool], why string) {
	said := fmt.Sprintf("runtime handler %q", name)
	if name == "" {
		said = "the runtime's default handler"
	}
	is, has := h.Wrapped[name]
	switch {
	case is.OK && !is.Value:
		return is, said + " does not run nodegate-runc: run nodegate install on the node, or take it out of runtime.handlers"
	case is.OK:
		return is, ""
	case has:
		return is, "whether " + said + " runs nodegate-runc cannot be told from its program"
	case h.Unknown != "":
		return is, fmt.Sprintf("whether %s runs nodegate-runc is not known: %s", said, h.Unknown)
	}
	return policy.Is(false), fmt.Sprintf("the runtime has no handler %q: run nodegate install on the node, or take it out of runtime.handlers", name)
}

// readHandlers looks at what the runtime reads when it starts, as it has just done.
func (p *Plugin) readHandlers(r *runtimes.Runtime, pid int) {
	h := Handlers{Unknown: "nobody looks"}
	if p.node.Handlers != nil {
		h = p.node.Handlers(r, pid)
	}
	p.handlers.Store(&h)
}

// saw remembers of a handler whether a container of it came by nodegate-runc, until the
// runtime connects again. It outweighs any file.
func (p *Plugin) saw(handler string, wrapped bool) {
	for {
		old := p.handlers.Load()
		if is := old.Wrapped[handler]; is.OK && is.Value == wrapped {
			return
		}
		next := Handlers{Wrapped: map[string]policy.Known[bool]{}, Unknown: old.Unknown}
		maps.Copy(next.Wrapped, old.Wrapped)
		next.Wrapped[handler] = policy.Is(wrapped)
		if p.handlers.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Peer returns the process at the other end of a Unix socket, 0 if this process does not see it.
func Peer(conn net.Conn) (pid int) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
