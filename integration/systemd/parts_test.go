// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/policy"
)

// ended stands for a system that did not come up.
const ended = "ended"

// Each part of the profile is there for something that fails without it.
func TestSystemdNeedsEachPart(t *testing.T) {
	whole := builtIn(t, "systemd")
	// tmp.mount is on by default in Debian 13 and Fedora, and in Debian 12 at hand.
	const init = "cp /usr/share/systemd/tmp.mount /etc/systemd/system/; systemctl -q enable tmp.mount; exec /sbin/init"
	without := map[string]string{
		"":                        "running oci",
		"tmpfs /run":              ended,
		"tmpfs /run/lock":         ended,
		"tmpfs /tmp":              "degraded tmp.mount loaded failed failed Temporary Directory /tmp oci",
		"cgroup":                  ended,
		"environment's container": "running", // and no tool but systemd's latest knows that it is in a container
	}
	parts := map[string]policy.Profile{"": whole}
	for i, at := range whole.Tmpfs {
		p := whole
		p.Tmpfs = slices.Delete(slices.Clone(p.Tmpfs), i, i+1)
		parts["tmpfs "+at.Path] = p
	}
	for name := range whole.Env {
		p := whole
		p.Env = maps.Clone(p.Env)
		delete(p.Env, name)
		parts["environment's "+name] = p
	}
	p := whole
	p.CgroupWritable = false
	parts["cgroup"] = p
	if n := len(whole.Devices) + len(whole.Seccomp) + len(whole.Sysctls) + len(whole.Capabilities.Add); n != 0 {
		t.Errorf("%d parts that this test does not try", n)
	}

	n := it.SharedNode(t)
	text, numbers := "", map[string]string{}
	for part, p := range parts {
		numbers[part] = fmt.Sprintf("part-%d", len(numbers))
		text += profileText(numbers[part], p) + it.GrantApart(numbers[part])
	}
	it.StartAgent(t, n, text)
	for part := range parts {
		t.Run("without "+part, func(t *testing.T) {
			pod := node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor(numbers[part])}
			c := it.Boot(t, n, pod, node.ContainerConfig{Command: []string{"sh", "-c", init}})
			got := ended
			if !exits(t, c) {
				got = strings.Join(strings.Fields(it.State(t, c)+" "+it.Sh(t, c, "cat /run/systemd/container 2>/dev/null")), " ")
			}
			if want, known := without[part]; !known || got != want {
				t.Errorf("%s, want %q", got, want)
			}
		})
	}
}

// exits says whether a container ends within the time that a system needs to start.
func exits(t *testing.T, c *node.Container) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := c.Wait(ctx)
	return err == nil
}

// builtIn is a built-in profile.
func builtIn(t *testing.T, name string) policy.Profile {
	t.Helper()
	c, err := config.Parse("config.toml", []byte("version = 1\n"))
	it.Must(t, err)
	i := slices.IndexFunc(c.Profiles, func(p config.Profile) bool { return p.Name == name })
	if i < 0 {
		t.Fatalf("no built-in profile %q", name)
	}
	return c.Profiles[i].Profile
}

// profileText is a profile of a cgroup, tmpfs and an environment as a policy has it.
func profileText(name string, p policy.Profile) string {
	text := fmt.Sprintf("[profiles.%s]\n", name)
	if p.CgroupWritable {
		text += "cgroup = \"writable\"\n"
	}
	if len(p.Tmpfs) > 0 {
		text += "tmpfs = ["
		for _, t := range p.Tmpfs {
			text += fmt.Sprintf("%q, ", t.Path)
		}
		text += "]\n"
	}
	for key, value := range p.Env {
		text += fmt.Sprintf("env.%s = %q\n", key, value)
	}
	return text
}
