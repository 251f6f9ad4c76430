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

// Family is the annotations of another tool, by the name that their keys begin
// with. A grant says which of them it accepts; the others are nobody's business
// here. What such an annotation asks for only selects profiles: a path is
// compared with what they offer, and nothing of it reaches the container.
type Family string

// The families that a grant can accept.
const (
	DevicesNodeResource Family = "devices.noderesource.dev" // NRI's device-injector
	DevicesNRI          Family = "devices.nri.io"           // the same, as it was called before
	DevicesGKE          Family = "devices.gke.io"           // GKE's device injector
	WritableCgroups     Family = "writable-cgroups.noderesource.dev"
	DevicesCRIO         Family = "devices.crio.io"             // CRI-O's own
	DevicesCRIOOld      Family = "io.kubernetes.cri-o.Devices" // the same, as it was called before
	CDINvidia           Family = "nvidia.cdi.k8s.io"           // nvidia-container-runtime's
	CDI                 Family = "cdi.k8s.io"                  // of runtimes that read it from pods
)

var families = [...]Family{DevicesNodeResource, DevicesNRI, DevicesGKE, WritableCgroups, DevicesCRIO, DevicesCRIOOld, CDINvidia, CDI}

// keyForm is how the keys of a family look.
type keyForm int

const (
	podKeys       keyForm = iota // bare, /pod or /container.NAME
	containerKeys                // /container.NAME
	oneKey                       // bare, for every container
	anyKeys                      // /ANYTHING, all of them, for every container
)

func (f Family) keys() keyForm {
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

// maxValue bounds the value of an annotation of the family, in bytes; of all its
// keys together where all of them hold.
func (f Family) maxValue() int {
	switch form := f.keys(); {
	case form == oneKey || form == anyKeys:
		return maxList
	case f == WritableCgroups:
		return maxName // "true" or "false"
	}
	return maxRequest
}

// Families returns all families that a grant can accept.
func Families() []Family { return slices.Clone(families[:]) }

// tools are the families by the tool that reads them: of the annotations of one
// tool the most specific holds, and of two alike that of the first family.
var tools = [...][]Family{{DevicesNodeResource, DevicesNRI}, {DevicesGKE}, {WritableCgroups}, {DevicesCRIO, DevicesCRIOOld}, {CDINvidia}, {CDI}}

// familySet is a set of families, a bit for each.
type familySet uint16

func setOf(list []Family) familySet {
	var set familySet
	for _, f := range list {
		if i := slices.Index(families[:], f); i >= 0 {
			set |= 1 << i
		}
	}
	return set
}

func (s familySet) has(f Family) bool { return s&setOf([]Family{f}) != 0 }

// AskedDevice is a device as another tool's annotation describes it. Of all this
// the path alone selects; the rest is compared with what the node and the
// profile say, and is never taken.
type AskedDevice struct {
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
	ReadDevices(value string) ([]AskedDevice, error)
}

// ask is one thing that another tool's annotation asks for.
type ask struct {
	family Family
	key    string       // of the annotation
	device *AskedDevice // nil for what else is asked for
	cdi    string       // the qualified name of a CDI device
}

// what says what is asked for, in a sentence.
func (a *ask) what() string {
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

// accepted returns the families that grants for the namespace accept.
func (p *Policy) accepted(namespace string) familySet {
	var set familySet
	for b := range p.index.buckets(namespace) {
		set |= b.accepts
	}
	return set
}

// asks reads what others' annotations ask for on behalf of the container, as
// far as a grant for its namespace accepts them.
func (p *Policy) asks(r *Request, accepts familySet) (_ []ask, refusal *Refusal) {
	if accepts == 0 || len(r.Annotations) == 0 {
		return nil, nil
	}
	var all []ask
	for _, tool := range tools {
		family, found := r.effective(tool, accepts)
		if found.odd != "" {
			return nil, r.Refuse(BadRequest, clip(found.odd, maxName), "has the annotation %s, which means nothing",
				quote(found.odd)).Advise("write %s", forms(family))
		}
		if found.rank == 0 {
			continue
		}
		each := []annotation{found}
		if family.keys() == anyKeys {
			if each, refusal = r.each(family); refusal != nil {
				return nil, refusal
			}
		}
		for i := range each {
			asks, refusal := p.readAsks(r, family, &each[i])
			if refusal != nil {
				return nil, refusal
			}
			all = append(all, asks...)
		}
	}
	return all, nil
}

// each returns the annotations of a family whose keys hold all together, sorted.
func (r *Request) each(f Family) ([]annotation, *Refusal) {
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
// that means nothing, and the family that it is of.
func (r *Request) effective(tool []Family, accepts familySet) (Family, annotation) {
	var of Family
	var best annotation
	for _, family := range tool {
		if !accepts.has(family) {
			continue
		}
		found := r.find(string(family))
		if found.odd != "" {
			return family, found
		}
		if found.rank > best.rank {
			of, best = family, found
		}
	}
	return of, best
}

// forms lists how a family's annotation can be written.
func forms(f Family) string {
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

func (p *Policy) readAsks(r *Request, family Family, from *annotation) ([]ask, *Refusal) {
	switch {
	case len(from.value) > family.maxValue():
		return nil, r.Refuse(BadRequest, clip(from.key, maxName), "has an annotation %q of %d bytes", clip(from.key, maxName), len(from.value)).Advise("write at most %d", family.maxValue())
	case family == WritableCgroups:
		return r.readSwitch(family, from)
	case family.keys() == anyKeys:
		return r.readCDI(family, from)
	case family.keys() == oneKey:
		return r.readPaths(family, from)
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
	var asks []ask
	for i := range devices {
		d := &devices[i]
		if !strings.HasPrefix(d.Path, "/") || path.Clean(d.Path) != d.Path {
			return nil, r.Refuse(BadRequest, from.key, `asks by its annotation %q for device %s`,
				from.key, quote(d.Path)).Advise(`write its path from the root and in its shortest form, as in "/dev/fuse"`)
		}
		if !slices.Contains(devices[:i], *d) {
			asks = append(asks, ask{family: family, key: from.key, device: d})
		}
	}
	return asks, nil
}

func (r *Request) readSwitch(family Family, from *annotation) ([]ask, *Refusal) {
	switch from.value {
	case "true":
		return []ask{{family: family, key: from.key}}, nil
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

// Unread returns the keys of others' annotations that concern the container and
// that no grant for its namespace accepts, so that nothing comes of them.
func (p *Policy) Unread(r *Request) []string {
	accepts := p.accepted(r.Namespace)
	var keys []string
	for _, family := range families {
		if accepts.has(family) {
			continue
		}
		if family.keys() == anyKeys {
			for key := range r.Annotations {
				if r.rank(string(family), key) > 0 {
					keys = append(keys, key)
				}
			}
		} else if found := r.find(string(family)); found.rank > 0 {
			keys = append(keys, found.key)
		}
	}
	slices.Sort(keys)
	return keys
}
