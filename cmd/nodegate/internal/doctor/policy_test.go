// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"testing"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/host"
)

// What the policy warns of is about the runtime of this node, where that is known. Each
// profile that AppArmor has a part in is looked at once.
func TestGatherPolicy(t *testing.T) {
	c, err := config.Parse("test", []byte(`version = 1
[[grants]]
profiles = ["ping"]
namespaces = ["ci"]
apply = "always"
[[grants]]
profiles = ["nested", "fuse"]
namespaces = ["ci"]
[[grants]]
profiles = ["nested"]
namespaces = ["lab"]
`))
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New("/", c.State.ShadowDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	g := &gatherer{config: c, node: h}
	for name, tc := range map[string]struct {
		runtime Fact[Runtime]
		want    int
	}{
		"one that delivers it":  {fact(Runtime{Name: "containerd", Version: "v2.4.2", Known: true}), 0},
		"one that does not":     {fact(Runtime{Name: "containerd", Version: "1.7.35", Known: true}), 1},
		"one that nobody knows": {fact(Runtime{Name: "frakti", Version: "1.0"}), 1},
		"one that is not told":  {unknown[Runtime](needsRoot), 1},
		"one without a version": {fact(Runtime{Name: "containerd", Version: "", Known: true}), 1},
	} {
		p := g.policy(nil, tc.runtime)
		if p.Warnings != tc.want {
			t.Errorf("%s: %d warnings, want %d", name, p.Warnings, tc.want)
		}
		if len(p.AppArmor) != 1 || p.AppArmor[0].Profile != "nested" || p.AppArmor[0].Wanted != "nodegate-mounts" {
			t.Errorf("%s: %+v", name, p.AppArmor)
		}
	}
}
