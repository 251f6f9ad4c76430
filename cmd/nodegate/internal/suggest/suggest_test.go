// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/config"
)

func propose(t *testing.T, policy, text string) *Set {
	t.Helper()
	c, err := config.Parse("policy", []byte("version = 1\n"+policy))
	if err != nil {
		t.Fatal(err)
	}
	return proposeUnder(c, text)
}

func proposeUnder(c *config.Config, text string) *Set {
	f := manifest.Read("x.yaml", strings.NewReader(text))
	var pods []*manifest.Pod
	for i := range f.Pods {
		pods = append(pods, &f.Pods[i])
	}
	return For(c, pods, "ns", nil, nil)
}

// said is what is proposed for the containers, a line for each thing.
func said(s *Set) string {
	var out strings.Builder
	for _, p := range s.Pods {
		for i := range p.Containers {
			c := &p.Containers[i]
			for _, a := range c.Asks {
				fmt.Fprintf(&out, "%s: %s by %q\n", c.Name, a.What, a.By)
			}
			for _, text := range append(c.Stays, c.Blocked...) {
				fmt.Fprintf(&out, "%s: %s\n", c.Name, text)
			}
		}
		if p.HostUsers {
			out.WriteString("hostUsers: false\n")
		}
	}
	return out.String()
}

// one is a pod with one container that has this in it, and this beside.
func one(container, beside string) string {
	return "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, image: x" + container + "}]" + beside + "}\n"
}

const (
	privileged = ", securityContext: {privileged: true}"
	fuse       = ", volumeMounts: [{name: v, mountPath: /dev/fuse}]"
	fuseVolume = ", volumes: [{name: v, hostPath: {path: /dev/fuse}}]"
)

// A profile that gives no more than is asked for comes before a new one; what the
// manifest does not tell is not guessed.
func TestFor(t *testing.T) {
	for name, tc := range map[string]struct{ policy, text, want string }{
		"nothing":    {"", one("", ""), ""},
		"privileged": {"", one(privileged, ""), "a: what it needs is unknown: it is privileged, and the manifest does not say why\n"},
		"sysctls that its command sets": {"", one(privileged+`, command: [sh, -c, "set -e; sysctl -w net.ipv4.ip_forward=1 && /sbin/sysctl -w vm.max_map_count=262144\n"]`, ""),
			"a: its command sets the sysctl \"net.ipv4.ip_forward\", for which a profile suffices: write it under the pod's securityContext.sysctls; then take this container away\n" +
				"a: its command sets the sysctl \"vm.max_map_count\": no profile can offer it: it belongs to the whole node, so no container may set it: set it on the node, or write one of net.*, fs.mqueue.*, kernel.shm*, kernel.msg*, kernel.sem, kernel.domainname; then take this container away\n"},
		"a command that sets one":        {"", one(privileged+`, command: [sysctl, -w], args: [net.core.somaxconn=1024]`, ""), "a: its command sets the sysctl \"net.core.somaxconn\", for which a profile suffices: write it under the pod's securityContext.sysctls; then take this container away\n"},
		"a command that does more":       {"", one(privileged+`, command: [sh, -c, "sysctl -w net.core.somaxconn=1024; mount /x"]`, ""), "a: " + unknownNeed + "\n"},
		"a command that a shell expands": {"", one(privileged+`, command: [sh, -c, "sysctl -w net.core.somaxconn=$X"]`, ""), "a: " + unknownNeed + "\n"},
		"a command in another form":      {"", one(privileged+`, command: sysctl, args: [[x]]`, ""), "a: " + unknownNeed + "\n"},
		"a command of another container": {"", one(`, command: [sysctl, -w, kernel.x=1]`, ""), ""},
		"a device":                       {"", one(privileged+fuse, fuseVolume), "a: /dev/fuse by \"fuse\"\nhostUsers: false\n"},
		"a device, not privileged": {"", one(fuse, fuseVolume),
			"a: /dev/fuse by \"fuse\"\n"},
		"a device at another path": {"", one(strings.Replace(fuse, "/dev/fuse", "/dev/f", 1), fuseVolume), "a: /dev/fuse by \"p\"\n"},
		"a profile that gives more": {"[profiles.fuse]\ninclude = [\"kvm\"]\ndevices = [{ path = \"/dev/fuse\", access = \"rw\" }]\n", one(fuse, fuseVolume),
			"a: /dev/fuse by \"p\"\n"},
		"a profile that is not confined": {"[profiles.open]\napparmor = \"unconfined\"\n[profiles.kvm]\ninclude = [\"open\"]\ndevices = [{ path = \"/dev/kvm\", access = \"rw\" }]\n",
			strings.ReplaceAll(one(fuse, fuseVolume), "/dev/fuse", "/dev/kvm"), "a: /dev/kvm by \"p\"\n"},
		"a profile that gives less": {"[profiles.fuse]\ndevices = [{ path = \"/dev/fuse\", access = \"r\" }]\n", one(fuse, fuseVolume),
			"a: /dev/fuse by \"p\"\n"},
		"a pattern": {"[profiles.all]\ndevices = [{ path = \"/dev/x*\", access = \"rw\" }]\n",
			one(strings.ReplaceAll(fuse, "/dev/fuse", "/dev/x1"), strings.ReplaceAll(fuseVolume, "/dev/fuse", "/dev/x1")), "a: /dev/x1 by \"x1\"\n"},
		"a capability that mounts": {"", one(", securityContext: {capabilities: {add: [SYS_ADMIN]}}"+fuse, fuseVolume),
			"a: /dev/fuse by \"fuse-mount\"\na: CAP_SYS_ADMIN by \"fuse-mount\"\nhostUsers: false\n"},
		"that with the node's network": {"", one(", securityContext: {capabilities: {add: [SYS_ADMIN]}}"+fuse, fuseVolume+", hostNetwork: true"),
			"a: /dev/fuse by \"fuse\"\na: CAP_SYS_ADMIN (capabilities.add) stays, and reaches the node: the pod can have no user namespace, since hostNetwork: the pod shares the node's namespaces, which no profile replaces\n"},
		"a capability of the node": {"", one(", securityContext: {privileged: true, capabilities: {add: [SYS_TIME]}}"+fuse, fuseVolume),
			"a: /dev/fuse by \"\"\na: CAP_SYS_TIME acts on the node, and has no effect with hostUsers: false\n"},
		"all of /dev": {"", one(privileged+fuse, ", volumes: [{name: v, hostPath: {path: /dev/}}]"),
			"a: what it needs is unknown: hostPath \"/dev\" holds every device\n"},
		"a file": {"", one(fuse, ", volumes: [{name: v, hostPath: {path: /dev/../etc}}]"),
			"a: hostPath \"/etc\" stays: nodegate gives devices, and no other files of the node\n"},
		"a name that is a pattern": {"", one(fuse, ", volumes: [{name: v, hostPath: {path: /dev/sd*}}]"),
			"a: hostPath \"/dev/sd*\" would be a pattern in a policy: name the device by another path\n"},
		"resources": {"", one(", resources: {limits: {squat.ai/kvm: 1, smarter-devices/a_b: 1, nvidia.com/gpu: 1}}", ""),
			"a: /dev/kvm by \"kvm\"\na: resource \"nvidia.com/gpu\" stays: which devices it stands for is in its device plugin's configuration\na: resource \"smarter-devices/a_b\" stays: which devices it stands for is in its device plugin's configuration\n"},
		"/proc": {"", one(", securityContext: {procMount: Unmasked}", ""), "a: an unmasked /proc by \"\"\nhostUsers: false\n"},
		"a sysctl that no profile can have": {"", one("", ", securityContext: {sysctls: [{name: vm.swappiness, value: \"1\"}]}"),
			"a: vm.swappiness = 1 (securityContext.sysctls): no profile can offer it: it belongs to the whole node, "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := said(propose(t, tc.policy, tc.text)); got != tc.want && (tc.want == "" || !strings.HasPrefix(got, tc.want) || strings.HasSuffix(tc.want, "\n")) {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

// FuzzFor proposes policies without errors, whatever manifests say.
func FuzzFor(f *testing.F) {
	f.Add(one(privileged+fuse, fuseVolume))
	f.Add(one(", resources: {limits: {squat.ai/kvm: 1}}", ", securityContext: {sysctls: [{name: net.core.somaxconn, value: \"5\"}]}"))
	f.Add("kind: Pod\nmetadata: {name: p, annotations: {devices.crio.io: \"/dev/a:/dev/b:rw,/dev/c\", cdi.k8s.io/x: a.b/c=d, devices.nri.io: \"- path: /dev/d\"}}\nspec: {containers: [{name: a}]}\n")
	c, err := config.Parse("policy", []byte("version = 1\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := proposeUnder(c, text)
		if _, err := config.Parse("proposal", []byte("version = 1\n"+s.Policy())); err != nil {
			t.Fatalf("%v\n%s", err, s.Policy())
		}
		for _, p := range s.Pods {
			edit := p.Edit("nodegate")
			edit.Words()
		}
	})
}
