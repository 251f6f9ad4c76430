// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// Set is what is proposed for all pods together: one policy.
type Set struct {
	Pods []*Proposal

	config   *config.Config
	observed Observed
	without  []Entry
	existing map[string]*config.Profile
	taken    map[string]bool   // names of profiles
	offers   map[string]string // why a profile that is tried for cannot be
	made     map[string]string // names of new profiles, by their body
	profiles []string          // the definitions of new ones
	grants   []grant
}

type grant struct {
	namespace, accept string // accept is "" or a family
	profiles          []string
}

// Proposal is what is proposed for one pod.
type Proposal struct {
	Pod        *manifest.Pod
	Namespace  string
	Containers []Container
	HostUsers  bool   // hostUsers: false is to be written
	NoUserNS   string // why the pod can have no user namespace; "" if it can
}

// Container is what is proposed for one container.
type Container struct {
	Name       string
	Privileged bool // today
	Asks       []Ask
	Stays      []string // what nodegate does not give, and that can stay as it is
	Blocked    []string // why it stays privileged

	observed  bool
	nodesMade []string // device nodes, as sentences
	drops     []string // mounts that go, by their mountPath
}

// For proposes for pods. Those without a namespace are in the one given. c is the
// policy that there is. Of pods that are refused, and why, nothing is proposed. What was
// observed is added to what the manifests say; observed may be nil. Entries are left out as
// if nobody asked for them.
func For(c *config.Config, pods []*manifest.Pod, namespace string, refused map[*manifest.Pod]string, observed Observed, without ...Entry) *Set {
	if observed == nil {
		observed = func(*manifest.Pod, string) *evidence.Container { return nil }
	}
	s := &Set{config: c, observed: observed, without: without, existing: map[string]*config.Profile{}, taken: map[string]bool{}, offers: map[string]string{}, made: map[string]string{}}
	for i := range c.Profiles {
		s.existing[c.Profiles[i].Name], s.taken[c.Profiles[i].Name] = &c.Profiles[i], true
	}
	for _, p := range pods {
		s.Pods = append(s.Pods, s.propose(p, namespace, refused[p]))
	}
	return s
}

func (s *Set) propose(p *manifest.Pod, namespace, refused string) *Proposal {
	out := &Proposal{Pod: p, Namespace: p.Namespace}
	if out.Namespace == "" {
		out.Namespace = namespace
	}
	wantsUserNS := false
	for i := range p.Containers {
		c := &p.Containers[i]
		r := s.read(p, c)
		r.asks = s.keep(c.Name, r.asks)
		if refused != "" && (c.Privileged || len(r.asks) > 0) {
			r.blocked = append(r.blocked, "no proposal holds: "+refused)
		}
		out.Containers = append(out.Containers, Container{c.Name, c.Privileged, r.asks, r.stays, r.blocked, s.observed(p, c.Name) != nil, r.nodesMade, r.drops})
		wantsUserNS = wantsUserNS || c.Privileged || slices.ContainsFunc(r.asks, func(a Ask) bool { return a.needsUserNamespace() })
	}
	out.nodesOrNamespace()
	out.NoUserNS = out.noUserNamespace()
	out.HostUsers = wantsUserNS && out.NoUserNS == "" && !p.UserNamespace
	for i := range out.Containers {
		c := &out.Containers[i]
		if len(c.Blocked) > 0 {
			continue
		}
		c.bound(out.NoUserNS)
		if len(c.Blocked) == 0 {
			s.offer(out, c)
		}
	}
	if !wantsUserNS {
		out.NoUserNS = ""
	}
	return out
}

// noUserNamespace says what keeps the pod from a user namespace.
func (p *Proposal) noUserNamespace() string {
	var shared []string
	for _, kind := range p.Pod.HostNamespaces {
		if name, ok := map[string]string{"network": "hostNetwork", "pid": "hostPID", "ipc": "hostIPC"}[string(kind)]; ok {
			shared = append(shared, name)
		}
	}
	if len(shared) > 0 {
		return strings.Join(shared, ", ") + ": the pod shares the node's namespaces, which no profile replaces"
	}
	for i := range p.Pod.Containers {
		c := &p.Pod.Containers[i]
		if len(c.Devices) > 0 {
			return "Kubernetes gives no volumeDevices to pods with a user namespace"
		}
		if len(p.Containers[i].nodesMade) > 0 {
			return fmt.Sprintf("container %q makes device nodes, which the kernel allows to nobody in a user namespace", c.Name)
		}
		if len(p.Containers[i].Blocked) > 0 {
			return fmt.Sprintf("container %q stays privileged", c.Name)
		}
		for _, name := range c.Add {
			if slices.Contains(ofNode, name) || name == "ALL" {
				return fmt.Sprintf("container %q has CAP_%s, which acts on the node", c.Name, name)
			}
		}
	}
	return ""
}

// nodesOrNamespace decides for a user namespace, in which nobody makes device nodes, where
// without one a container would have to stay privileged.
func (p *Proposal) nodesOrNamespace() {
	bounds := slices.ContainsFunc(p.Containers, func(c Container) bool {
		return slices.ContainsFunc(c.Asks, func(a Ask) bool { return a.needsUserNamespace() })
	})
	for i := range p.Containers {
		c := &p.Containers[i]
		for _, made := range c.nodesMade {
			if bounds {
				c.Stays = append(c.Stays, made+": with hostUsers: false the kernel lets nobody; whether it goes on without was not seen")
			} else {
				c.Stays = append(c.Stays, made+": CAP_MKNOD, which containers have, suffices without a user namespace")
			}
		}
		if bounds {
			c.nodesMade = nil
		}
	}
}

// bound says of what Kubernetes itself gives whether a user namespace bounds it.
func (c *Container) bound(noUserNS string) {
	if noUserNS == "" {
		return
	}
	keep := c.Asks[:0:0]
	for _, a := range c.Asks {
		switch {
		case !a.needsUserNamespace():
			keep = append(keep, a)
		case c.Privileged:
			c.Blocked = append(c.Blocked, fmt.Sprintf("%s (%s) would reach the node: the pod can have no user namespace, since %s", a.What, a.From, noUserNS))
		default:
			c.Stays = append(c.Stays, fmt.Sprintf("%s (%s) stays, and reaches the node: the pod can have no user namespace, since %s", a.What, a.From, noUserNS))
		}
	}
	if c.Asks = keep; c.Privileged && !c.observed && len(keep) == 0 && len(c.Blocked) == 0 {
		c.Blocked = append(c.Blocked, unknownNeed)
	}
}

// offer finds profiles for what a container asks for: of those that give no more,
// the ones that answer most; and a new one for the rest.
func (s *Set) offer(p *Proposal, c *Container) {
	userNS := p.HostUsers || p.Pod.UserNamespace
	for i := range c.Asks {
		if name := c.Asks[i].profile; s.existing[name] != nil {
			c.Asks[i].By = name
		}
	}
	open := func() (rest []int, asks []Ask) {
		for i := range c.Asks {
			if c.Asks[i].By == "" {
				rest, asks = append(rest, i), append(asks, c.Asks[i])
			}
		}
		return rest, asks
	}
	for {
		rest, asks := open()
		best, answers := "", []int(nil)
		for i := range s.config.Profiles {
			name := s.config.Profiles[i].Name
			if whole, ok := content(s.existing, name, 0); ok && !s.allowsGone(&whole, c.Name) {
				if n := covers(&whole, c.Asks, userNS); len(n) > len(answers) && slices.ContainsFunc(n, func(i int) bool { return slices.Contains(rest, i) && c.Asks[i].needsProfile() }) {
					best, answers = name, n
				}
			}
		}
		if best != "" {
			for _, i := range answers {
				c.Asks[i].By = best
			}
			continue
		}
		asks = slices.DeleteFunc(asks, func(a Ask) bool { return !a.needsProfile() })
		if len(asks) > 0 {
			name := s.newProfile(p, asks, userNS)
			for _, i := range rest {
				if c.Asks[i].needsProfile() {
					c.Asks[i].By = name
				}
			}
		}
		break
	}
	s.grant(p, c)
}

func (s *Set) newProfile(p *Proposal, asks []Ask, userNS bool) string {
	text := body(asks, userNS)
	key := strings.Join(text, "\n")
	if name, ok := s.made[key]; ok {
		return name
	}
	name := s.nameFor(asks, p.Pod.Name)
	s.made[key], s.taken[name] = name, true
	source := [2]string{"read from the manifest of", ", not observed"}
	if slices.ContainsFunc(asks, func(a Ask) bool { return a.observed }) {
		source = [2]string{"from what was observed of", ""}
	}
	s.profiles = append(s.profiles, fmt.Sprintf("# %s %s %s/%s%s\n%s", source[0], p.Pod.Kind, p.Namespace, strings.TrimSuffix(p.Pod.Name, "-…"), source[1], definition(name, text)))
	return name
}

// grant notes what the namespace has to be granted, unless it is already: together
// what one container asks for, since profiles of several may contradict each other.
func (s *Set) grant(p *Proposal, c *Container) {
	families := append(policy.ThirdParties(), "")
	for _, family := range families {
		g := grant{namespace: p.Namespace, accept: string(family)}
		for i := range c.Asks {
			if a := &c.Asks[i]; a.By != "" && a.family == family && !slices.Contains(g.profiles, a.By) && !s.granted(p, c, a) {
				g.profiles = append(g.profiles, a.By)
			}
		}
		if len(g.profiles) > 0 && !slices.ContainsFunc(s.grants, g.within) {
			s.grants = append(s.grants, g)
		}
	}
}

// within reports whether another grant grants all that g does.
func (g *grant) within(other grant) bool {
	return g.namespace == other.namespace && g.accept == other.accept &&
		!slices.ContainsFunc(g.profiles, func(name string) bool { return !slices.Contains(other.profiles, name) })
}

// granted reports whether the policy that there is grants what a container asks for.
func (s *Set) granted(p *Proposal, c *Container, a *Ask) bool {
	r := policy.Request{Namespace: p.Namespace, Pod: p.Pod.Name, Labels: p.Pod.Labels, Annotations: p.Pod.Annotations, Container: c.Name,
		Handler: p.Pod.RuntimeClass, UserNamespace: policy.Is(p.HostUsers || p.Pod.UserNamespace)}
	if a.family == "" {
		r.Annotations = map[string]string{policy.AnnotationBare: a.By}
	}
	sel, err := s.config.Policy.Select(&r)
	return err == nil && slices.Contains(sel.Profiles(), a.By)
}
