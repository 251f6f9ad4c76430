// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	goruntime "runtime"

	"github.com/containerd/nri/pkg/api"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
	"github.com/nodegate/nodegate/plugin/seccomp"
)

// encoders translate the kinds of change that NRI can deliver. Each puts into
// the reply what the runtime takes, and leaves the rest in the remainder. The
// encoder of a kind is asked only if the runtime has the features that the kind
// takes.
var encoders = map[*change.Kind]func(e *encoder, a *change.Adjustment) error{
	change.KindDevices:     encodeDevices,
	change.KindShadowNodes: encodeShadowNodes,
	change.KindMounts:      encodeMounts,
	change.KindUnmounts:    encodeUnmounts,
	change.KindDeviceRules: encodeDeviceRules,
	change.KindCDIDevices:  encodeCDIDevices,
	change.KindSeccomp:     encodeSeccomp,
	change.KindSysctls:     encodeSysctls,
	change.KindRlimits:     encodeRlimits,
	change.KindEnv:         encodeEnv,
	change.KindNamespaces:  encodeNamespaces,
}

// encoder translates an adjustment into NRI's words, for one runtime.
type encoder struct {
	runtime runtimes.Runtime
	seccomp policy.Known[*specs.LinuxSeccomp] // the container's own profile
	archs   []specs.Arch

	reply     *api.ContainerAdjustment
	remainder change.Adjustment
	because   map[*change.Kind]string // why a kind is left, where its name does not tell
}

func newEncoder(r runtimes.Runtime, own policy.Known[*specs.LinuxSeccomp]) *encoder {
	return &encoder{runtime: r, seccomp: own, archs: seccomp.Architectures(goruntime.GOARCH),
		reply: &api.ContainerAdjustment{}, because: map[*change.Kind]string{}}
}

// encode divides an adjustment into the reply and the remainder. The two
// together are the whole, apart from what the agent does on the node.
func (e *encoder) encode(a *change.Adjustment) error {
	for _, k := range change.Kinds() {
		encode := encoders[k]
		switch {
		case !k.In(a) || k.Agent && !k.Wrapper:
		case encode == nil || !e.runtime.Has(k.NRI()):
			k.Copy(&e.remainder, a)
		default:
			if err := encode(e, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesIf says for a refusal what the remainder is, of the kinds that count.
func (e *encoder) namesIf(counts func(*change.Kind) bool) []string {
	var out []string
	for _, k := range change.Kinds() {
		if !k.In(&e.remainder) || !counts(k) {
			continue
		}
		for _, name := range k.Name(&e.remainder) {
			out = append(out, name+e.because[k])
		}
	}
	return out
}
