// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"slices"
	"strconv"
	"strings"

	kubelet "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// Offer is a profile that is a resource, and what the node has of it now.
type Offer struct {
	Profile   string
	Units     []Unit
	Exclusive bool   // units are devices, which come and go
	Lacks     string // why the node cannot give any of it; "" if it can
	Unsure    string // what is not known that it takes; "" if all of it is
}

// Unit is what one container can have.
type Unit struct {
	ID   string
	NUMA []int64 // the NUMA nodes that it is at; none if it does not matter
	Held bool    // a container has it as another unit: nobody else gets it
}

// maxGone bounds the devices that are remembered although they are not there.
const maxGone = 256

// devices is the offer as the kubelet is told of it. A device that was there before is
// unhealthy, since it may come back.
func (o *Offer) devices(before []*kubelet.Device) []*kubelet.Device {
	out := make([]*kubelet.Device, 0, len(o.Units))
	for _, u := range o.Units {
		d := &kubelet.Device{ID: u.ID, Health: o.health(u)}
		for _, n := range u.NUMA {
			d.Topology = &kubelet.TopologyInfo{Nodes: append(d.Topology.GetNodes(), &kubelet.NUMANode{ID: n})}
		}
		out = append(out, d)
	}
	if !o.Exclusive {
		return out
	}
	gone := 0
	for _, d := range before {
		if gone < maxGone && !slices.ContainsFunc(out, func(have *kubelet.Device) bool { return have.ID == d.ID }) {
			out = append(out, &kubelet.Device{ID: d.ID, Health: kubelet.Unhealthy, Topology: d.Topology})
			gone++
		}
	}
	return out
}

func (o *Offer) health(u Unit) string {
	if o.Lacks != "" || u.Held {
		return kubelet.Unhealthy
	}
	return kubelet.Healthy
}

// is reports whether these devices are the offer, slots as nearly always.
func (o *Offer) is(devices []*kubelet.Device) bool {
	return slices.EqualFunc(o.Units, devices, func(u Unit, d *kubelet.Device) bool { return u.ID == d.ID && d.Health == o.health(u) })
}

// unsure is what has to be known of units that are offered.
func (o *Offer) unsure() string {
	var held []string
	for _, u := range o.Units {
		if u.Held {
			held = append(held, strconv.Quote(u.ID))
		}
	}
	if len(held) == 0 {
		return o.Unsure
	}
	text := "a container has the device of unit " + strings.Join(held, ", ") + " as another unit"
	if o.Unsure != "" {
		text = o.Unsure + "; and " + text
	}
	return text
}

func sameDevices(a, b []*kubelet.Device) bool {
	return slices.EqualFunc(a, b, func(a, b *kubelet.Device) bool { return a.ID == b.ID && a.Health == b.Health })
}

func healthy(devices []*kubelet.Device) (n int) {
	for _, d := range devices {
		if d.Health == kubelet.Healthy {
			n++
		}
	}
	return n
}
