// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"time"

	"github.com/nodegate/nodegate/plugin/event"
)

// link is the plugin's registration: since when, or why there is none.
type link struct {
	since  time.Time
	reason string
}

// State tells how the plugin stands with the runtime now.
func (p *Plugin) State() event.State {
	l := p.link.Load()
	s := event.State{Since: l.since, Reason: l.reason}
	if r := p.runtime.Load(); r.Name != "" {
		s.Runtime = r.String()
	}
	return s
}

func (p *Plugin) registered() { p.link.Store(&link{since: time.Now()}) }

func (p *Plugin) unregistered(reason string) { p.link.Store(&link{reason: reason}) }

// Containers returns how many containers run on the node, how many of them were
// given something, and those that run without what the policy would give them.
func (p *Plugin) Containers() (all, adjusted int, outdated []*event.Event) {
	return p.containers.list()
}

// Units returns how many units of each profile that is a resource the node's containers
// have.
func (p *Plugin) Units() map[string]int { return p.containers.units() }

// LiveNodes returns how many device nodes have appeared in live directories, and how many
// were taken out of them.
func (p *Plugin) LiveNodes() (appeared, retired uint64) {
	if p.live == nil {
		return 0, 0
	}
	return p.live.Counts()
}

// OnDisk returns how many decision records there are, and how many containers
// have shadow nodes.
func (p *Plugin) OnDisk() (records, shadowed int, err error) {
	records, err = p.node.Records.Count()
	if p.node.Shadows != nil {
		ids, err2 := p.node.Shadows.List()
		shadowed, err = len(ids), errors.Join(err, err2)
	}
	return records, shadowed, err
}
