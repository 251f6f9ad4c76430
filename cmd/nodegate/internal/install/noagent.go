// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"cmp"
	"fmt"
)

// defaultDirs are those of a policy that says nothing of them.
var defaultDirs = AgentDirs{State: "/run/nodegate", Shadows: "/dev/.udev/nodegate"}

// or fills in what is not said.
func (d AgentDirs) or(other AgentDirs) AgentDirs {
	return AgentDirs{State: cmp.Or(d.State, other.State), Shadows: cmp.Or(d.Shadows, other.Shadows)}
}

// elsewhere plans for an agent that runs as a pod. An agent that was installed on the
// node before is kept as it is to be, for who installed it has to take it off.
func (p *planner) elsewhere(policy agentPolicy, n *needs) error {
	dirs := p.o.Agent.or(defaultDirs)
	p.next.Agent = &dirs
	if n.socket != "" {
		p.note("%s's NRI socket is %s: the agent's pod needs its directory, and socket = %q under [nri] in its policy", p.plan.Runtime(), n.socket, n.socket)
	}
	if policy.exists && (p.former.entry(policyPath) != nil || p.former.entry(handlersPath) != nil) {
		if err := p.policies(policy, n); err != nil {
			return err
		}
	}
	if p.former.entry(unitPath) != nil {
		if err := p.own(Unit, unitPath, unit(p.next.Prefix), 0o644); err != nil {
			return err
		}
	}
	if p.tree.exists(unitPath) {
		p.note("this node has an agent of its own as well, nodegate.service, and each of the two goes by its own policy: systemctl disable --now nodegate takes the node's away")
		if policy.State != dirs.State {
			p.note("%s says that its state.dir is %s, and the wrapper reads %s: pods of the handler %s get what the agent in the pod says", policyPath, policy.State, dirs.State, Handler)
		}
	}
	return p.wrapper(n, dirs.State)
}

func (p *planner) note(format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf(format, args...))
}
