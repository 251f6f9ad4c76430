// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/annotations"
	"github.com/nodegate/nodegate/plugin/policy"
)

// annotations are those of other tools. They stay: the grant accepts them.
func (r *reading) annotations(p *manifest.Pod, c *manifest.Container) {
	for _, family := range policy.ThirdParties() {
		for _, key := range keysFor(p.Annotations, family, c.Name) {
			asks, ok := asksOf(family, p.Annotations[key])
			if !ok {
				r.cannot(c, "annotation %q cannot be read", key)
			}
			for _, a := range asks {
				a.From, a.family = "annotation "+key, family
				r.asks = append(r.asks, a)
			}
		}
	}
}

// keysFor are the keys of a family that hold for a container: the most specific
// one, or of CDI all.
func keysFor(annotations map[string]string, family policy.ThirdParty, container string) []string {
	base := string(family)
	if family == policy.CDI || family == policy.CDINvidia {
		var all []string
		for _, key := range slices.Sorted(maps.Keys(annotations)) {
			if strings.HasPrefix(key, base+"/") {
				all = append(all, key)
			}
		}
		return all
	}
	for _, key := range []string{base + "/container." + container, base + "/pod", base} {
		if _, ok := annotations[key]; ok {
			return []string{key}
		}
	}
	return nil
}

func asksOf(family policy.ThirdParty, value string) (asks []Ask, ok bool) {
	device := func(source, target string) {
		asks = append(asks, Ask{What: source, path: path.Clean(source), target: path.Clean(target)})
	}
	switch family {
	case policy.WritableCgroups:
		if value == "true" {
			asks = append(asks, Ask{What: "a writable cgroup", cgroup: true})
		}
		return asks, value == "true" || value == "false"
	case policy.CDI, policy.CDINvidia:
		for name := range strings.SplitSeq(value, ",") {
			asks = append(asks, Ask{What: "CDI device " + name, cdi: strings.TrimSpace(name)})
		}
	case policy.DevicesCRIO, policy.DevicesCRIOOld:
		for entry := range strings.SplitSeq(value, ",") {
			fields := strings.Split(strings.TrimSpace(entry), ":")
			target := fields[0]
			if len(fields) > 1 && strings.HasPrefix(fields[1], "/") {
				target = fields[1]
			}
			device(fields[0], target)
		}
	default:
		devices, err := (annotations.YAML{}).ReadDevices(value)
		if err != nil {
			return nil, false
		}
		for _, d := range devices {
			device(d.Path, d.Path)
		}
	}
	return asks, true
}
