// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"
	"testing"
)

// Limits are read as Kubernetes reads quantities, and nothing that the API server would
// refuse, or a node never has, passes without a word.
func TestUnits(t *testing.T) {
	for resources, want := range map[string]string{
		"limits: {nodegate.dev/kvm: 1}":                                      "map[kvm:1]",
		`limits: {nodegate.dev/kvm: "2", cpu: 1.5}`:                          "map[kvm:2]",
		"limits: {nodegate.dev/kvm: 1000m, nodegate.dev/fuse: 1k}":           "map[fuse:1000 kvm:1]",
		"limits: {nodegate.dev/kvm: 2e3, nodegate.dev/fuse: 4Ki}":            "map[fuse:4096 kvm:2000]",
		"limits: {nodegate.dev/kvm: 0}":                                      "map[]",
		"limits: {nodegate.dev/kvm: 1}, requests: {nodegate.dev/kvm: \"1\"}": "map[kvm:1]",
		"limits: {nodegate.dev/kvm: 5001}":                                   `map[kvm:5000] container "app" asks for "5001" of nodegate.dev/kvm, and no node has more than 5000: the pod stays pending`,
		"limits: {nodegate.dev/kvm: 0.5}":                                    `x.yaml:5: container "app" asks for "0.5" of nodegate.dev/kvm: write a whole number, as in nodegate.dev/kvm: 1`,
		"limits: {nodegate.dev/kvm: -1}":                                     `x.yaml:5: container "app" asks for "-1" of nodegate.dev/kvm: write a whole number, as in nodegate.dev/kvm: 1`,
		"limits: {nodegate.dev/kvm: many}":                                   `x.yaml:5: container "app" asks for "many" of nodegate.dev/kvm: write a whole number, as in nodegate.dev/kvm: 1`,
		"requests: {nodegate.dev/kvm: 1}":                                    `x.yaml:5: container "app" has another number of "nodegate.dev/kvm" in resources.requests than in resources.limits: write it into limits alone`,
		`limits: {"nodegate.dev/\e[2J": 1}`:                                  `x.yaml:5: container "app" asks for "nodegate.dev/\x1b[2J", and no resource has such a name: write nodegate.dev/ and the name of a profile`,
		"limits: {nodegate.dev/: 1}":                                         `x.yaml:5: container "app" asks for "nodegate.dev/", and no resource has such a name: write nodegate.dev/ and the name of a profile`,
		"limits: [nodegate.dev/kvm]":                                         `x.yaml:5: a list is written where a mapping belongs`,
		"requests: {cpu: 1}":                                                 "map[]",
	} {
		f := Read("x.yaml", strings.NewReader(strings.Replace(onePod, "name: app", "name: app, resources: {"+resources+"}", 1)))
		var have []string
		for _, p := range f.Pods {
			have = append(append(have, fmt.Sprint(p.Containers[0].Resources)), p.Hints...)
		}
		for _, p := range f.Problems {
			have = append(have, p.Error())
		}
		if got := strings.Join(have, " "); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", resources, got, want)
		}
	}
}
