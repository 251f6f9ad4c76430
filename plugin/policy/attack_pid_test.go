// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const (
	besideOthers = ", and shares a PID namespace with a process that is not denied it and can be made to do it: leave shareProcessNamespace out of the pod's spec, and targetContainerName (kubectl debug --target) out of an ephemeral container"
	besideNode   = ", and shares the node's PID namespace, where a process that is not denied it can be made to do it: leave hostPID out of the pod's spec"
	besideWhom   = ", which a process that is not denied it could do in its place if they share a PID namespace, and the runtime does not tell that"
)

func inPID(ns PIDNamespace) func(*Facts) {
	return func(f *Facts) { f.Container.PIDNamespace = Is(ns) }
}

func unknownPID(f *Facts) { f.Container.PIDNamespace = Known[PIDNamespace]{} }

func both(first, then func(*Facts)) func(*Facts) {
	return func(f *Facts) { first(f); then(f) }
}

// A container makes another process of its PID namespace do what it is denied itself.
// Such a container is refused.
func TestAttackDenialThroughAnotherProcess(t *testing.T) {
	noMknod := Profile{Name: "no-mknod", Seccomp: noMknod()}
	drop := Profile{Name: "drop", Capabilities: Capabilities{Drop: []string{"CAP_MKNOD", "CAP_NET_RAW"}}}
	noKeys := Profile{Name: "no-keys", Seccomp: []SeccompRule{{Syscalls: []string{"keyctl", "add_key"}, Errno: 1, ErrnoName: "EPERM"}}}
	noPipes := Profile{Name: "no-pipes", Seccomp: []SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1, ErrnoName: "EPERM"}}}
	for name, tc := range map[string]struct {
		profile Profile
		facts   func(*Facts)
		code    Code
		refusal string
	}{
		"own":                              {noMknod, inPID(OwnPID), "", ""},
		"the sandbox's":                    {noMknod, inPID(OtherPID), Unmet, `would be denied mknod, mknodat by profile "no-mknod"` + besideOthers},
		"the node's":                       {noMknod, inPID(NodePID), Unmet, `would be denied mknod, mknodat by profile "no-mknod"` + besideNode},
		"unknown":                          {noMknod, unknownPID, UnknownFact, `would be denied mknod, mknodat by profile "no-mknod"` + besideWhom},
		"a capability":                     {drop, inPID(OtherPID), Unmet, `would be denied CAP_MKNOD, CAP_NET_RAW by profile "drop"` + besideOthers},
		"other calls":                      {noKeys, inPID(OtherPID), Unmet, `would be denied keyctl, add_key by profile "no-keys"` + besideOthers},
		"nodes in a user namespace":        {noMknod, both(inUserNamespace, inPID(OtherPID)), "", ""},
		"pipes in a user namespace":        {noPipes, both(inUserNamespace, inPID(OtherPID)), Unmet, `would be denied mknod by profile "no-pipes"` + besideOthers},
		"a capability in a user namespace": {drop, both(inUserNamespace, inPID(OtherPID)), Unmet, `would be denied CAP_NET_RAW by profile "drop"` + besideOthers},
		"what gives": {Profile{Name: "keys", Capabilities: Capabilities{Add: []string{"CAP_NET_ADMIN"}}, Seccomp: []SeccompRule{{Syscalls: []string{"keyctl"}}}},
			inPID(NodePID), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := compile(t, Source{Profiles: []Profile{tc.profile}, Grants: []Grant{{Profiles: []string{tc.profile.Name}, Namespaces: []string{"ci"}, Always: true}}})
			f := facts()
			tc.facts(f)
			_, refusal := decide(t, p, f)
			checkRefusal(t, refusal, tc.code, tc.refusal)
			sel, err := p.Select(&f.Request)
			if err == nil {
				err = p.CheckProcesses(sel, f)
			}
			if (err == nil) != (refusal == nil) || err != nil && err.Error() != refusal.Error() {
				t.Errorf("checked by itself: %v", err)
			}
		})
	}
}

func TestPIDNamespaceOf(t *testing.T) {
	pid, mount := specs.LinuxNamespace{Type: specs.PIDNamespace}, specs.LinuxNamespace{Type: specs.MountNamespace}
	joined := specs.LinuxNamespace{Type: specs.PIDNamespace, Path: "/proc/7/ns/pid"}
	for name, tc := range map[string]struct {
		own, pod []specs.LinuxNamespace
		want     Known[PIDNamespace]
	}{
		"own":                       {[]specs.LinuxNamespace{mount, pid}, []specs.LinuxNamespace{pid}, Is(OwnPID)},
		"the sandbox's":             {[]specs.LinuxNamespace{joined, mount}, []specs.LinuxNamespace{mount, pid}, Is(OtherPID)},
		"the node's by the sandbox": {[]specs.LinuxNamespace{joined, mount}, []specs.LinuxNamespace{mount}, Is(NodePID)},
		"the node's":                {[]specs.LinuxNamespace{mount}, []specs.LinuxNamespace{mount, pid}, Is(NodePID)},
		"untold":                    {nil, []specs.LinuxNamespace{pid}, Known[PIDNamespace]{}},
		"of an untold pod":          {[]specs.LinuxNamespace{joined}, nil, Known[PIDNamespace]{}},
	} {
		if got := PIDNamespaceOf(tc.own, tc.pod); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// With a writable cgroup of v1 and the node's PID namespace a container could move the
// node's processes. It is refused.
func TestAttackCgroupOfNodeProcesses(t *testing.T) {
	p := compile(t, Source{Profiles: []Profile{{Name: "managed", CgroupWritable: true}},
		Grants: []Grant{{Profiles: []string{"managed"}, Namespaces: []string{"ci"}, Always: true}}})
	v1 := func(f *Facts) { f.Host.Cgroup = Is(Cgroup{Version: CgroupV1, Mount: "/sys/fs/cgroup/systemd"}) }
	v2 := func(f *Facts) {
		f.Host.Cgroup = Is(Cgroup{Version: CgroupV2, Mount: "/sys/fs/cgroup", NSDelegate: true})
	}
	const start = `would get a writable cgroup by profile "managed", into which it could move the node's processes on cgroup v1`
	for name, tc := range map[string]struct {
		facts   func(*Facts)
		code    Code
		refusal string
	}{
		"v1, own":        {both(v1, inPID(OwnPID)), "", ""},
		"v1, the pod's":  {both(v1, inPID(OtherPID)), "", ""},
		"v1, the node's": {both(v1, inPID(NodePID)), Unmet, start + ", since it shares their PID namespace: leave hostPID out of the pod's spec"},
		"v1, unknown":    {both(v1, unknownPID), UnknownFact, start + " if it shares their PID namespace, and the runtime does not tell that"},
		"v2, the node's": {both(v2, inPID(NodePID)), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := facts()
			tc.facts(f)
			_, refusal := decide(t, p, f)
			checkRefusal(t, refusal, tc.code, tc.refusal)
		})
	}
}
