// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"testing"
)

// What a container gets and cannot use is said, as far as the runtime tells it.
func TestWarnUnusable(t *testing.T) {
	engine := Profile{Name: "engine", CgroupWritable: true, Capabilities: Capabilities{Add: []string{"CAP_SYS_ADMIN"}}}
	whole := engine
	whole.Capabilities.Add = append(slices.Clone(handedOn), "CAP_SYS_ADMIN")
	const noOwner = `the cgroup of profile "engine" belongs to the container's root, and the container runs as uid 1000: leave runAsUser out`
	const lacks = `container engines need the runtime's default capabilities, and the pod drops CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_SETUID, CAP_SETGID, CAP_SETPCAP: leave capabilities.drop out, or name there what no engine needs`
	for name, tc := range map[string]struct {
		profile Profile
		user    Known[User]
		own     Known[[]string]
		want    []string
	}{
		"root with all":               {engine, Is(User{}), Is(slices.Clone(handedOn)), nil},
		"nothing is told":             {profile: engine},
		"uid 1000":                    {engine, Is(User{UID: 1000}), Is(slices.Clone(handedOn)), []string{noOwner}},
		"drop ALL":                    {engine, Is(User{}), Is([]string{}), []string{lacks}},
		"drop ALL and uid 1000":       {engine, Is(User{UID: 1000}), Is([]string{}), []string{noOwner, lacks}},
		"the profile gives them back": {whole, Is(User{}), Is([]string{}), nil},
		"a cgroup for no engine":      {Profile{Name: "engine", CgroupWritable: true}, Is(User{}), Is([]string{}), nil},
		"no cgroup":                   {Profile{Name: "engine", Capabilities: engine.Capabilities}, Is(User{UID: 1000}), Is([]string{}), nil},
	} {
		p := compile(t, Source{Profiles: []Profile{tc.profile}, Grants: []Grant{{Source: "1", Profiles: []string{"engine"}, Namespaces: []string{"ci"}, Always: true}}})
		f := facts()
		inUserNamespace(f)
		f.Host.Cgroup = Is(Cgroup{Version: CgroupV2, Mount: "/sys/fs/cgroup"})
		f.Container.User, f.Container.Capabilities = tc.user, tc.own
		d, refusal := decide(t, p, f)
		checkRefusal(t, refusal, "", "")
		var got []string
		for _, r := range d.Reasons {
			if r.Code == CannotUse {
				got = append(got, r.Text)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
