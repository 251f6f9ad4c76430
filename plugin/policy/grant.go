// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
)

// grant is a Grant as the policy keeps it.
type grant struct {
	Grant
	order     int  // its place in the policy; decisions follow it
	takesAway bool // a profile of it drops a capability or denies a system call
	accepts   thirdParties
}

// narrowing is the first condition of a grant that a container does not meet.
type narrowing int

const (
	fits narrowing = iota
	otherPods
	otherContainers
	otherHandlers
	needsUserNamespace
	forbidsUserNamespace
	unknownUserNamespace
)

// narrow checks what a grant asks for beyond the namespace. It allocates
// nothing: most of what it is asked about does not match.
func (p *Policy) narrow(g *grant, r *Request) narrowing {
	switch {
	case g.Pods != nil && !g.Pods.Matches(r.Labels):
		return otherPods
	case len(g.Containers) > 0 && !matchAny(g.Containers, r.Container):
		return otherContainers
	case !p.handlerFits(g, r.Handler):
		return otherHandlers
	}
	switch {
	case g.UserNamespace == AnyUserNamespace || g.UserNamespace == "":
		return fits
	case !r.UserNamespace.OK:
		return unknownUserNamespace
	case g.UserNamespace == RequiredUserNamespace && !r.UserNamespace.Value:
		return needsUserNamespace
	case g.UserNamespace == ForbiddenUserNamespace && r.UserNamespace.Value:
		return forbidsUserNamespace
	}
	return fits
}

// handlerFits applies runtime_handlers. Unwritten, it means the handlers that
// run an OCI bundle on this node, so that nothing is handed to a sandboxed
// runtime by accident; but what takes away then holds everywhere, since a
// pod's author chooses the handler and could walk around it.
func (p *Policy) handlerFits(g *grant, handler string) bool {
	if len(g.Handlers) > 0 {
		return slices.Contains(g.Handlers, handler)
	}
	return g.takesAway || p.plainHandler(handler)
}

// reaches reports whether a grant that fits the container gives it this
// profile too: under a handler that is not plain, only one that takes away.
func (p *Policy) reaches(g *grant, prof *profile, handler string) bool {
	return len(g.Handlers) > 0 || p.plainHandler(handler) || prof.takesAway
}

func (p *Policy) plainHandler(handler string) bool {
	return handler == "" || handler == "runc" || handler == "crun" || slices.Contains(p.handlers, handler)
}

// words says whom a grant is for, where the container fell short of it.
func (n narrowing) words(p *Policy, g *grant) string {
	switch n {
	case otherPods:
		return fmt.Sprintf("only to pods with labels %q", g.Pods)
	case otherContainers:
		return "only to containers named " + quoteList(g.Containers)
	case otherHandlers:
		handlers := g.Handlers
		if len(handlers) == 0 {
			handlers = append([]string{"", "runc", "crun"}, p.handlers...)
		}
		return "only under " + handlerWords(handlers)
	case needsUserNamespace:
		return "only to pods with a user namespace (hostUsers: false)"
	case forbidsUserNamespace:
		return "only to pods without a user namespace"
	case unknownUserNamespace:
		return "depending on the pod's user namespace, which the runtime does not tell"
	}
	return "to it"
}

// handlerWords lists runtime handlers; "" is the runtime's default.
func handlerWords(handlers []string) string {
	var named []string
	for _, h := range handlers {
		if h != "" && !slices.Contains(named, h) {
			named = append(named, h)
		}
	}
	switch byDefault := slices.Contains(handlers, ""); {
	case len(named) == 0:
		return "the default runtime handler"
	case byDefault:
		return "the default runtime handler, " + quoteList(named)
	}
	return "the runtime handler " + quoteList(named)
}

// quoteList reads as a choice: "a", "b" or "c".
func quoteList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	if last := len(quoted) - 1; last > 0 {
		return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
	}
	return strings.Join(quoted, "")
}
