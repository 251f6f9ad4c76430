// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/plugin/policy"
)

func TestAppArmor(t *testing.T) {
	on := policy.Is(policy.AppArmor{Enabled: true})
	for name, c := range map[string]struct {
		enabled *string
		modules bool
		want    policy.Known[policy.AppArmor]
	}{
		"on":        {ptr("Y\n"), true, on},
		"off":       {ptr("N\n"), true, policy.Is(policy.AppArmor{})},
		"not there": {nil, true, policy.Is(policy.AppArmor{})},
		"no /sys":   {nil, false, policy.Known[policy.AppArmor]{}},
	} {
		sys := t.TempDir()
		if c.modules {
			must(t, os.MkdirAll(filepath.Join(sys, "module/apparmor/parameters"), 0o755))
		}
		if c.enabled != nil {
			must(t, os.WriteFile(filepath.Join(sys, "module/apparmor/parameters/enabled"), []byte(*c.enabled), 0o644))
		}
		// No such thread: what is loaded cannot be told, which is not "it is not".
		if got := appArmor(sys, t.TempDir(), "web"); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func ptr(s string) *string { return &s }
