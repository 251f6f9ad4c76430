// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ThirdParty is the annotations of another tool, by the name that their keys begin
// with. A grant says which of them it accepts; the others are nobody's business
// here. What such an annotation asks for only selects profiles: a path is
// compared with what they offer, and nothing of it reaches the container.
type ThirdParty string

// The kinds of third-party annotations that a grant can accept.
const (
	DevicesNodeResource ThirdParty = "devices.noderesource.dev" // NRI's device-injector
	DevicesNRI          ThirdParty = "devices.nri.io"           // the same, as it was called before
	DevicesGKE          ThirdParty = "devices.gke.io"           // GKE's device injector
	WritableCgroups     ThirdParty = "writable-cgroups.noderesource.dev"
	DevicesCRIO         ThirdParty = "devices.crio.io"             // CRI-O's own
	DevicesCRIOOld      ThirdParty = "io.kubernetes.cri-o.Devices" // the same, as it was called before
	CDINvidia           ThirdParty = "nvidia.cdi.k8s.io"           // nvidia-container-runtime's
	CDI                 ThirdParty = "cdi.k8s.io"                  // of runtimes that read it from pods
)

var allThirdParties = [...]ThirdParty{DevicesNodeResource, DevicesNRI, DevicesGKE, WritableCgroups, DevicesCRIO, DevicesCRIOOld, CDINvidia, CDI}

// keyForm is how the keys of a kind look.
type keyForm int

const (
	podKeys       keyForm = iota // bare, /pod or /container.NAME
	containerKeys                // /container.NAME
	oneKey                       // bare, for every container
	anyKeys                      // /ANYTHING, all of them, for every container
)

func (f ThirdParty) keys() keyForm {
	switch f {
	case DevicesGKE:
		return containerKeys
	case DevicesCRIO, DevicesCRIOOld:
		return oneKey
	case CDINvidia, CDI:
		return anyKeys
	}
	return podKeys
}

// maxValue bounds the value of an annotation of the kind, in bytes; of all its
// keys together where all of them hold.
func (f ThirdParty) maxValue() int {
	switch form := f.keys(); {
	case form == oneKey || form == anyKeys:
		return maxList
	case f == WritableCgroups:
		return maxName // "true" or "false"
	}
	return maxRequest
}

// ThirdParties returns all kinds that a grant can accept.
func ThirdParties() []ThirdParty { return slices.Clone(allThirdParties[:]) }

// tools are the kinds by the tool that reads them: of the annotations of one
// tool the most specific holds, and of two alike that of the first kind.
var tools = [...][]ThirdParty{{DevicesNodeResource, DevicesNRI}, {DevicesGKE}, {WritableCgroups}, {DevicesCRIO, DevicesCRIOOld}, {CDINvidia}, {CDI}}

// thirdParties is a set of kinds, a bit for each.
type thirdParties uint16

func setOf(list []ThirdParty) thirdParties {
	var set thirdParties
	for _, f := range list {
		if i := slices.Index(allThirdParties[:], f); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

func (s thirdParties) has(f ThirdParty) bool { return s&setOf([]ThirdParty{f}) != 0 }

// RequestedDevice is a device as another tool's annotation describes it. Of all this
// the path alone selects; the rest is compared with what the node and the
// profile say, and is never taken.
type RequestedDevice struct {
	Path         string
	Source       string // the host's path, where the annotation says it
	Access       string // "" if it is not written
	Type         string // "" if it is not written
	Major, Minor Known[int64]
	Mode         Known[fs.FileMode]
	UID, GID     Known[uint32]
}

// DeviceReader reads the value of an annotation that lists devices. It is an
// interface since that is YAML, for which the engine, and the wrapper that
// shares its types, link no parser. Its errors say what to write.
type DeviceReader interface {
	ReadDevices(value string) ([]RequestedDevice, error)
}

// thirdPartyRequest is one thing that a third-party annotation asks for.
type thirdPartyRequest struct {
	party  ThirdParty
	key    string           // of the annotation
	device *RequestedDevice // nil for what else is asked for
	cdi    string           // the qualified name of a CDI device
}

// what says what is asked for, in a sentence.
func (a *thirdPartyRequest) what() string {
	switch {
	case a.cdi != "":
		return "CDI device " + quote(a.cdi)
	case a.device == nil:
		return "a writable cgroup"
	case a.device.Source != "" && a.device.Source != a.device.Path:
		return fmt.Sprintf("device %s at %s", quote(a.device.Source), quote(a.device.Path))
	}
	return "device " + quote(a.device.Path)
}

// maxDevices bounds the devices of one annotation.
const maxDevices = 64

// accepted returns the kinds that grants for the namespace accept.
func (p *Policy) accepted(namespace string) thirdParties {
	var set thirdParties
	for b := range p.index.buckets(namespace) {
		set |= b.accepts
	}
	return set
}

// thirdPartyRequests reads what third-party annotations ask for on behalf of the container, as
// far as a grant for its namespace accepts them.
func (p *Policy) thirdPartyRequests(r *Request, accepts thirdParties) (_ []thirdPartyRequest, refusal *Refusal) {
	if accepts == 0 || len(r.Annotations) == 0 {
		return nil, nil
	}
	var all []thirdPartyRequest
	for _, tool := range tools {
		party, found := r.effective(tool, accepts)
		if found.odd != "" {
			return nil, r.Refuse(BadRequest, clip(found.odd, maxName), "has the annotation %s, which means nothing",
				quote(found.odd)).Advise("write %s", forms(party))
		}
		if found.rank == 0 {
			continue
		}
		each := []annotation{found}
		if party.keys() == anyKeys {
			if each, refusal = r.each(party); refusal != nil {
				return nil, refusal
			}
		}
		for i := range each {
			requests, refusal := p.readRequests(r, party, &each[i])
			if refusal != nil {
				return nil, refusal
			}
			all = append(all, requests...)
		}
	}
	return all, nil
}

// each returns the annotations of a kind whose keys hold all together, sorted.
func (r *Request) each(f ThirdParty) ([]annotation, *Refusal) {
	var all []annotation
	size := 0
	for key, value := range r.Annotations {
		if r.rank(string(f), key) > 0 {
			all = append(all, annotation{key: key, value: value, rank: 1})
			size += len(value)
		}
	}
	slices.SortFunc(all, func(a, b annotation) int { return strings.Compare(a.key, b.key) })
	if size > f.maxValue() || len(all) > maxKeys {
		return nil, r.Refuse(BadRequest, "", "has %d annotations %q of %d bytes together", len(all), string(f)+"/…", size).Advise("write at most %d of %d", maxKeys, f.maxValue())
	}
	return all, nil
}

// effective is the annotation of a tool that holds for the container, or a key
// that means nothing, and the kind that it is of.
func (r *Request) effective(tool []ThirdParty, accepts thirdParties) (ThirdParty, annotation) {
	var of ThirdParty
	var best annotation
	for _, party := range tool {
		if !accepts.has(party) {
			continue
		}
		found := r.find(string(party))
		if found.odd != "" {
			return party, found
		}
		if found.rank > best.rank {
			of, best = party, found
		}
	}
	return of, best
}

// forms lists how an annotation of a kind can be written.
func forms(f ThirdParty) string {
	container := quote(string(f)+"/container.") + " and the container's name"
	switch f.keys() {
	case containerKeys:
		return container
	case oneKey:
		return quote(string(f))
	case anyKeys:
		return quote(string(f)+"/") + " and a name"
	}
	return quote(string(f)+"/pod") + ", or " + container
}

func (p *Policy) readRequests(r *Request, party ThirdParty, from *annotation) ([]thirdPartyRequest, *Refusal) {
	switch {
	case len(from.value) > party.maxValue():
		return nil, r.Refuse(BadRequest, clip(from.key, maxName), "has an annotation %q of %d bytes", clip(from.key, maxName), len(from.value)).Advise("write at most %d", party.maxValue())
	case party == WritableCgroups:
		return r.readSwitch(party, from)
	case party.keys() == anyKeys:
		return r.readCDI(party, from)
	case party.keys() == oneKey:
		return r.readPaths(party, from)
	case p.devices == nil:
		return nil, r.Refuse(Internal, from.key, "has an annotation %q, which cannot be read here", from.key)
	}
	devices, err := p.devices.ReadDevices(from.value)
	switch {
	case err != nil:
		return nil, r.Refuse(BadRequest, from.key, "has an annotation %q that is not a list of devices: %s", from.key, err)
	case len(devices) > maxDevices:
		return nil, r.Refuse(BadRequest, from.key, "asks by its annotation %q for %d devices", from.key, len(devices)).Advise("write at most %d", maxDevices)
	}
	var requests []thirdPartyRequest
	for i := range devices {
		d := &devices[i]
		if !strings.HasPrefix(d.Path, "/") || path.Clean(d.Path) != d.Path {
			return nil, r.Refuse(BadRequest, from.key, `asks by its annotation %q for device %s`,
				from.key, quote(d.Path)).Advise(`write its path from the root and in its shortest form, as in "/dev/fuse"`)
		}
		if !slices.Contains(devices[:i], *d) {
			requests = append(requests, thirdPartyRequest{party: party, key: from.key, device: d})
		}
	}
	return requests, nil
}

func (r *Request) readSwitch(party ThirdParty, from *annotation) ([]thirdPartyRequest, *Refusal) {
	switch from.value {
	case "true":
		return []thirdPartyRequest{{party: party, key: from.key}}, nil
	case "false", "":
		return nil, nil
	}
	return nil, r.Refuse(BadRequest, from.key, `has %s in its annotation %q`, quote(from.value), from.key).Advise(`write "true" or "false"`)
}

// maxAsked bounds what is kept of a request for logs, in bytes.
const maxAsked = 256

// Asked is what the annotations that hold for the container say, as it was
// written and cut, others' after their key; "" where there are none.
func (p *Policy) Asked(r *Request) string {
	all := []string{r.find(AnnotationBare).value}
	accepts := p.accepted(r.Namespace)
	for _, tool := range tools {
		if _, found := r.effective(tool, accepts); found.rank > 0 {
			value := clip(found.value, maxAsked)
			all = append(all, found.key+": "+strings.Join(strings.Fields(value), " "))
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	return clip(strings.Join(all, "; "), maxAsked)
}

// Unread returns the keys of third-party annotations that concern the container and
// that no grant for its namespace accepts, so that nothing comes of them.
func (p *Policy) Unread(r *Request) []string {
	accepts := p.accepted(r.Namespace)
	var keys []string
	for _, party := range allThirdParties {
		if accepts.has(party) {
			continue
		}
		if party.keys() == anyKeys {
			for key := range r.Annotations {
				if r.rank(string(party), key) > 0 {
					keys = append(keys, key)
				}
			}
		} else if found := r.find(string(party)); found.rank > 0 {
			keys = append(keys, found.key)
		}
	}
	slices.Sort(keys)
	return keys
}
