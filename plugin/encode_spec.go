// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/seccomp"
)

func encodeMounts(e *encoder, a *change.Adjustment) error {
	for _, m := range a.Mounts {
		e.reply.AddMount(&api.Mount{Destination: m.Destination, Type: m.Type, Source: m.Source, Options: m.Options})
	}
	return nil
}

func encodeUnmounts(e *encoder, a *change.Adjustment) error {
	for _, at := range a.Unmounts {
		e.reply.RemoveMount(at)
	}
	return nil
}

func encodeRlimits(e *encoder, a *change.Adjustment) error {
	for _, r := range a.Rlimits {
		e.reply.AddRlimit(r.Type, r.Hard, r.Soft)
	}
	return nil
}

func encodeEnv(e *encoder, a *change.Adjustment) error {
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		e.reply.AddEnv(name, a.Env[name])
	}
	return nil
}

func encodeSysctls(e *encoder, a *change.Adjustment) error {
	for name, value := range a.Sysctls {
		e.reply.SetLinuxSysctl(name, value)
	}
	return nil
}

func encodeNamespaces(e *encoder, a *change.Adjustment) error {
	for _, kind := range a.Namespaces {
		e.reply.AddOrReplaceNamespace(&api.LinuxNamespace{Type: string(kind)})
	}
	return nil
}

// encodeSeccomp merges the rules into the container's own profile, since NRI
// replaces it whole. A profile's default errno does not survive that way (NRI
// carries it to the plugin but not back), so rules that meet one that matters
// are left.
func encodeSeccomp(e *encoder, a *change.Adjustment) error {
	if !e.seccomp.OK || losesErrno(e.seccomp.Value) {
		e.remainder.Seccomp = a.Seccomp
		if e.seccomp.OK {
			e.because[change.KindSeccomp] = fmt.Sprintf(" under a profile of its own whose defaultErrnoRet is %d", *e.seccomp.Value.DefaultErrnoRet)
		}
		return nil
	}
	merged, err := seccomp.Apply(e.seccomp.Value, a.Seccomp, e.archs)
	if err != nil {
		return err
	}
	if merged != nil {
		e.reply.SetLinuxSeccompPolicy(api.FromOCILinuxSeccomp(merged))
	}
	return nil
}

func losesErrno(s *specs.LinuxSeccomp) bool {
	const eperm = 1 // what an absent default errno means
	return s != nil && s.DefaultErrnoRet != nil && *s.DefaultErrnoRet != eperm
}
