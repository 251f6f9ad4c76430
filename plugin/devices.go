// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"time"

	"github.com/containerd/log"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// settle is the least time between two looks at /dev: while much happens there, one
// look is for all of it.
const settle = 10 * time.Millisecond

// compareEvery is the same for looks at all containers, which take longer and have time.
const compareEvery = 200 * time.Millisecond

// watchDevices begins to follow /dev, if that has not begun. It ends with the node.
func (p *Plugin) watchDevices(ctx context.Context) error {
	p.watching.Lock()
	defer p.watching.Unlock()
	if p.watch != nil {
		return nil
	}
	w, err := p.node.Host.WatchDevices()
	if err != nil {
		return err
	}
	p.watch = w
	ctx = context.WithoutCancel(ctx) // which is that of a request
	changed := make(chan struct{}, 1)
	go p.compareDevices(ctx, changed)
	go func() {
		defer close(changed)
		for range w.Changed() {
			if p.live != nil {
				p.saidOfLive(ctx, p.live.Update())
			}
			select {
			case changed <- struct{}{}:
			default: // one is waiting already
			}
			time.Sleep(settle)
		}
	}()
	return nil
}

// compareDevices tells of containers whose devices are others now. Live directories do not
// wait for that.
func (p *Plugin) compareDevices(ctx context.Context, changed <-chan struct{}) {
	for range changed {
		p.compare(ctx)
		time.Sleep(compareEvery)
	}
}

// saidOfLive logs what is wrong with live directories, once as long as it stays so.
func (p *Plugin) saidOfLive(ctx context.Context, err error) {
	p.watching.Lock()
	defer p.watching.Unlock()
	said := ""
	if err != nil {
		said = err.Error()
	}
	if said != "" && said != p.liveSaid {
		log.G(ctx).WithError(err).Warn("live directories are not as they should be")
	}
	p.liveSaid = said
}

// noticeDevices follows /dev for a container that was given devices.
func (p *Plugin) noticeDevices(ctx context.Context, g *given) {
	if g == nil || len(g.devices) == 0 {
		return
	}
	if err := p.watchDevices(ctx); err != nil {
		log.G(ctx).WithError(err).Warn("devices that come back under another number are not noticed")
	}
}

// keepLive fills a container's live directories and keeps them.
func (p *Plugin) keepLive(ctx context.Context, id string, dirs []policy.LiveDirectory) error {
	if len(dirs) == 0 {
		return nil
	}
	if err := p.watchDevices(ctx); err != nil {
		return err
	}
	return p.live.Keep(id, dirs)
}

// takeOver keeps the live directories that the agent before this one kept, by their
// records, and follows /dev if some container has devices.
func (p *Plugin) takeOver(ctx context.Context, kept []record.Record) {
	all, devices := map[string][]policy.LiveDirectory{}, false
	for i := range kept {
		given := &kept[i].Given
		if len(given.LiveDirectories) > 0 {
			all[kept[i].ContainerID] = given.LiveDirectories
		}
		devices = devices || len(given.Devices)+len(given.ShadowNodes) > 0
	}
	if p.live != nil {
		p.live.Replace(all)
	}
	if len(all) == 0 && !devices {
		return
	}
	if err := p.watchDevices(ctx); err != nil {
		log.G(ctx).WithError(err).Warn("devices that come and go are not noticed")
	}
	if p.live != nil {
		p.saidOfLive(ctx, p.live.Update())
	}
}

// keepPeers keeps the live directories that another agent has made for a container, so
// that they outlive that one.
func (p *Plugin) keepPeers(ctx context.Context, peer *record.Record) {
	if p.live == nil {
		return
	}
	if err := p.keepLive(ctx, peer.ContainerID, peer.Given.LiveDirectories); err != nil {
		log.G(ctx).WithError(err).Warn("live directories that another agent made are not kept")
	}
}
