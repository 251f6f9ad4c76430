// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// overlays gives the node folders of its own over the machine's, whose changes are seen
// in the first argument: an installation then has its real paths.
const overlays = `set -eu
mkdir "$1" && mount -t tmpfs -o mode=0755 none "$1"
for d in etc usr/local var/lib; do
	mkdir -p "$1/new/$d" "$1/work/$d"
	mount -t overlay -o "lowerdir=/$d,upperdir=$1/new/$d,workdir=$1/work/$d" none "/$d"
done
rm -rf /etc/nodegate /etc/containerd /usr/local/bin/nodegate /usr/local/bin/nodegate-runc /var/lib/nodegate
mkdir -p /etc/nodegate /var/lib /usr/local/bin
cat >/etc/nodegate/config.toml`

// installation is a node that nodegate is put on by its own command.
type installation struct {
	*testing.T
	n      *node.Node
	g      *it.Gate
	config string // containerd's
}

// run runs a command on the node, and returns what it printed and whether it ended well.
func (i *installation) run(stdin, program string, args ...string) (string, bool) {
	i.Helper()
	cmd := i.n.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	i.Logf("%s %s\n%s", filepath.Base(program), strings.Join(args, " "), out)
	return string(out), err == nil
}

// changed lists the files that the node has and the machine has not; what the node is
// without is a device there.
func (i *installation) changed() string {
	i.Helper()
	files, ok := i.run("", "find", filepath.Join(i.n.Dir(), "over/new"), "-not", "-type", "d", "-not", "-type", "c", "-not", "-path", "*/var/lib/cni/*")
	if !ok {
		i.Fatal("looking for what has changed")
	}
	return files
}

// A real containerd runs pods with the configuration that an installation wrote, and
// has its own back, byte for byte, after an uninstallation.
func TestInstall(t *testing.T) {
	for _, tc := range []struct{ version, handler, flag string }{
		{node.DefaultContainerd, it.Wrapped, "--default-runtime=false"},
		{"1.7.35", "", "--default-runtime"},
	} {
		t.Run(tc.version, func(t *testing.T) { testInstall(t, tc.version, tc.handler, tc.flag) })
	}
}

func testInstall(t *testing.T, version, handler, flag string) {
	n := it.StartNode(t, node.Options{Containerd: version})
	i := &installation{T: t, n: n, g: it.NewGate(t, n, it.GrantApart("mknod")), config: filepath.Join(n.Dir(), "config.toml")}
	bin, err := node.BinDir()
	it.Must(t, err)
	nodegate := filepath.Join(bin, "nodegate")
	before, err := os.ReadFile(i.config)
	it.Must(t, err)
	policy, err := os.ReadFile(i.g.Config)
	it.Must(t, err)
	if _, ok := i.run(string(policy), "sh", "-c", overlays, "overlays", filepath.Join(n.Dir(), "over")); !ok {
		t.Fatal("no overlays")
	}
	untouched := i.changed()

	// --no-systemd: the machine's own systemd knows nothing of this node.
	install := []string{"install", "--config", i.config, "--containerd-version", version, "--no-systemd", flag}
	if _, ok := i.run("", nodegate, install...); !ok {
		t.Fatal("not installed")
	}
	if out, ok := i.run("", nodegate, install...); !ok || out != "nothing to do, but containerd has not been restarted since: systemctl restart containerd\n" {
		t.Errorf("again: %s", out)
	}
	it.Must(t, n.RestartContainerd(t.Context()))
	if version == node.DefaultContainerd {
		i.required()
	}
	agent := i.agent()

	pod := node.PodConfig{Namespace: "ci", Handler: handler, Annotations: it.AskFor("mknod")}
	p := it.RunPod(t, n, pod)
	c := it.RunContainer(t, p, node.ContainerConfig{DropCapabilities: []string{"ALL"}})
	it.Expect(t, c, "mknod c /tmp/one 1 3", "ok") // by the wrapper alone

	// The agent goes, and the wrapper stays for the pod.
	if out, ok := i.run("", nodegate, "uninstall"); ok || !strings.Contains(out, "stay for 2 containers") {
		t.Errorf("uninstalled under a pod: %s", out)
	}
	if out, ok := i.run("", "/usr/local/bin/nodegate", "uninstall"); ok || !strings.Contains(out, "stay for 2 containers") {
		t.Errorf("run again, as it was told: %s", out)
	}
	it.Must(t, p.Remove(t.Context()))
	it.Must(t, agent.Stop(t.Context()))
	if _, ok := i.run("", nodegate, "uninstall"); !ok {
		t.Error("not uninstalled")
	}
	after, err := os.ReadFile(i.config)
	it.Must(t, err)
	if string(after) != string(before) {
		t.Errorf("containerd's configuration is\n%s\nand was\n%s", after, before)
	}
	if left := i.changed(); left != untouched {
		t.Errorf("the node has\n%sand had\n%s", left, untouched)
	}
	it.Must(t, n.RestartContainerd(t.Context()))
	it.Expect(t, it.Run(t, n, node.PodConfig{Namespace: "ci"}, node.ContainerConfig{}), "open /dev/null rw", "ok")
}

// required shows that the validator is on: a pod that requires the agent waits for it,
// another does not.
func (i *installation) required() {
	i.Helper()
	it.Run(i.T, i.n, node.PodConfig{Namespace: "ci"}, node.ContainerConfig{})
	p := it.RunPod(i.T, i.n, node.PodConfig{Namespace: "ci", Annotations: map[string]string{"required-plugins.noderesource.dev": `["nodegate"]`}})
	_, err := p.RunContainer(i.Context(), node.ContainerConfig{})
	if err == nil || !strings.Contains(err.Error(), "nodegate") {
		i.Errorf("without the agent that it requires: %v", err)
	}
}

// agent starts the agent that was installed, with the node's policy.
func (i *installation) agent() *node.Process {
	i.Helper()
	ctx, cancel := context.WithTimeout(i.Context(), it.Limit)
	defer cancel()
	agent, err := i.n.StartAgent(ctx, "/usr/local/bin/nodegate", "/etc/nodegate/config.toml")
	it.Must(i.T, err)
	if err := agent.WaitLog(ctx, "synchronized"); err != nil {
		i.Fatalf("%v\n%s", err, agent.Log())
	}
	return agent
}
