// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/integration/node"
)

const noMknodPolicy = `
[[grants]]
namespaces = ["locked"]
profiles = ["no-mknod"]
apply = "always"
`

// mknods asks for every kind of node by both calls, in /dev/shm, which the pod's
// containers share; devices is the answer for device nodes.
func mknods(container, devices string) []it.QA {
	var all []it.QA
	for _, call := range []string{"mknod", "mknodat"} {
		ask := func(want, words string) { all = append(all, it.QA{"mknod -call " + call + " " + words, want}) }
		at := func(name string) string { return "/dev/shm/" + container + "-" + call + "-" + name }
		ask(devices, "b "+at("block")+" 7 0")
		ask(devices, "b "+at("block-0")+" 0 0")
		ask(devices, "c "+at("char")+" 1 3")
		ask(devices, "c "+at("char-major")+" 1 0")
		ask(devices, "c "+at("char-minor")+" 0 1")
		// The kernel reads 16 bits of the mode and 32 of the numbers, a filter 64.
		ask(devices, "-mode-bits 0x10000 b "+at("mode-17")+" 7 0")
		ask(devices, "-mode-bits 0xffffffffffff0000 c "+at("mode-64")+" 1 3")
		ask(devices, "-dev-bits 0xffffffff00000000 c "+at("dev-64")+" 1 3")
		ask("ok", "p "+at("fifo"))
		ask("ok", "s "+at("socket"))
		ask("ok", "f "+at("file"))
		ask("ok", "-mode-bits 0xffffffffffff0000 p "+at("fifo-64"))
		ask("ok", "-dev-bits 0x103 f "+at("file-dev"))
		ask("ok", "c "+at("whiteout")+" 0 0")
	}
	return all
}

// localhost writes a profile for the node and names it as a pod does.
func localhost(t *testing.T, profile *specs.LinuxSeccomp) node.Seccomp {
	t.Helper()
	text, err := json.Marshal(profile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return node.SeccompLocalhost(path)
}

// denyingMkdir is a profile that allows all but mkdirat, with an errno that nobody else
// gives: the part that has to stay.
func denyingMkdir() *specs.LinuxSeccomp {
	exdev := uint(18)
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM},
		Syscalls:      []specs.LinuxSyscall{{Names: []string{"mkdirat", "mkdir"}, Action: specs.ActErrno, ErrnoRet: &exdev}}}
}

// allowingList is containerd's own list, which denies what it does not name, without mkdirat.
func allowingList(errno *uint) *specs.LinuxSeccomp {
	caps := []string{"CAP_CHOWN", "CAP_MKNOD", "CAP_NET_RAW"}
	profile := seccomp.DefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}}})
	profile.DefaultErrnoRet = errno
	for i := range profile.Syscalls {
		profile.Syscalls[i].Names = slices.DeleteFunc(profile.Syscalls[i].Names, func(name string) bool {
			return strings.HasPrefix(name, "mkdir")
		})
	}
	return profile
}

// no-mknod takes device nodes away and nothing else, whatever the container's own
// profile is.
func TestNoMknod(t *testing.T) {
	n := it.SharedNode(t)
	eperm := uint(1)
	profiles := []struct {
		name, mkdir string
		profile     node.Seccomp
	}{
		{"runtime-default", "ok", node.SeccompRuntimeDefault},
		{"unconfined", "ok", node.SeccompUnconfined},
		{"localhost-allow", "EXDEV", localhost(t, denyingMkdir())},
		{"localhost-deny", "EPERM", localhost(t, allowingList(nil))},
		{"localhost-deny-eperm", "EPERM", localhost(t, allowingList(&eperm))},
	}
	check := func(userns bool, devices string) {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "locked", UserNamespace: userns})
		for _, tc := range profiles {
			c := it.RunContainer(t, p, node.ContainerConfig{Name: tc.name, Seccomp: tc.profile})
			it.ExpectEach(t, c, append(mknods(tc.name, devices), it.QA{"mkdir /dev/shm/" + tc.name, tc.mkdir}))
		}
	}
	// Without the agent the same questions have another answer, or they show nothing. In
	// a user namespace the kernel's own answer for a device is EPERM.
	check(false, "ok")
	it.StartAgent(t, n, noMknodPolicy)
	check(false, "EPERM")
	check(true, "EPERM")

	// An ordinary user, and one who was given everything.
	p := it.RunPod(t, n, node.PodConfig{Namespace: "locked", Privileged: true})
	c := it.RunContainer(t, p, node.ContainerConfig{Name: "privileged", Privileged: true})
	it.ExpectEach(t, c, mknods(c.Config.Name, "EPERM"))
	c = it.RunContainer(t, p, node.ContainerConfig{Name: "user", RunAsUser: new(int64(1000)), NoNewPrivs: true})
	it.ExpectEach(t, c, mknods(c.Config.Name, "EPERM"))
}

// NRI does not carry a profile's default errno to the runtime: a container whose
// profile has one that matters is refused rather than given another answer to every
// call that it must not make.
func TestSeccompDefaultErrno(t *testing.T) {
	n := it.SharedNode(t)
	it.StartAgent(t, n, noMknodPolicy)
	enosys := uint(38)
	profile := localhost(t, allowingList(&enosys))
	for _, userns := range []bool{false, true} {
		p := it.RunPod(t, n, node.PodConfig{Namespace: "locked", UserNamespace: userns})
		got := it.Refusal(t, p, node.ContainerConfig{Seccomp: profile})
		want := `would get seccomp rules under a profile of its own whose defaultErrnoRet is 38 by profile "no-mknod", which containerd v2.4.2 (NRI 0.12.3) cannot carry: `
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant that it says %s", got, want)
		}
		p = it.RunPod(t, n, node.PodConfig{UserNamespace: userns}) // no grant here
		it.Expect(t, it.RunContainer(t, p, node.ContainerConfig{Seccomp: profile}), "mkdir /dev/shm/dir", "ENOSYS")
	}
}
