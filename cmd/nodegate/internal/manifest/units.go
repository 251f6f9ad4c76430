// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/plugin/policy"
)

// resourceName is what the API server takes after the domain.
var resourceName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)

// units reads how many units a container asks for of profiles that are resources. It reports
// what the API server would refuse, and then false.
func (d *document) units(p *Pod, c *container, at *yaml.Node) (all map[string]int, ok bool) {
	limits, requests := ours(c.Resources.Limits), ours(c.Resources.Requests)
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		if quantity(requests[name]) != quantity(limits[name]) {
			d.bad(d.lineIn(at, "resources", "requests", name), "container %q has another number of %q in resources.requests than in resources.limits: write it into limits alone", c.Name, name)
			return nil, false
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		profile := strings.TrimPrefix(name, policy.ResourceDomain)
		n, line := quantity(limits[name]), d.lineIn(at, "resources", "limits", name)
		switch {
		case !resourceName.MatchString(profile):
			d.bad(line, "container %q asks for %q, and no resource has such a name: write %s and the name of a profile", c.Name, name, policy.ResourceDomain)
			return nil, false
		case n < 0 || n != math.Trunc(n):
			d.bad(line, "container %q asks for %q of %s: write a whole number, as in %s: 1", c.Name, fmt.Sprint(limits[name]), name, name)
			return nil, false
		case n > policy.MaxSlots:
			p.Hints = append(p.Hints, fmt.Sprintf("container %q asks for %q of %s, and no node has more than %d: the pod stays pending", c.Name, fmt.Sprint(limits[name]), name, policy.MaxSlots))
			n = policy.MaxSlots
		case n == 0:
			continue
		}
		if all == nil {
			all = map[string]int{}
		}
		all[profile] = int(n)
	}
	return all, true
}

// ours are the quantities of profiles.
func ours(all map[text]any) map[string]any {
	out := map[string]any{}
	for name, value := range all {
		if strings.HasPrefix(string(name), policy.ResourceDomain) {
			out[string(name)] = value
		}
	}
	return out
}

// lineIn is the line of the file on which something of a mapping is written.
func (d *document) lineIn(n *yaml.Node, path ...string) int {
	if value := field(n, path...); value != nil {
		n = value
	}
	return d.line(n.Line)
}

var (
	quantityNumber = regexp.MustCompile(`^\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?`)
	quantitySuffix = map[string]float64{"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
)

// quantity is the value of a quantity as Kubernetes writes them, -1 of what is none. Nothing
// is none of it.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
func quantity(value any) float64 {
	if value == nil {
		return 0
	}
	text := fmt.Sprint(value)
	number := quantityNumber.FindString(text)
	factor, known := quantitySuffix[text[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known {
		return -1
	}
	if factor < 1 { // a division is exact where the result is whole
		return n / math.Round(1/factor)
	}
	return n * factor
}
