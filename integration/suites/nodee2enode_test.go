// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

//go:embed testdata/systemctl.sh
var systemctl string

// e2eDir is where a node has the tests: they read and write beside their program.
const e2eDir = "/root/e2e"

// e2eNode is a cluster of one node, as its tests expect it.
type e2eNode struct {
	*cluster.Cluster
	programs string // the folder of the tests' programs
}

// startE2ENode starts a node that finds all images here. One with a policy has nodegate, as
// an administrator installs it.
func startE2ENode(t *testing.T, programs string, images testImages, policy string) e2eNode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Kubernetes: e2eKubernetes})
	it.Must(t, err)
	t.Cleanup(func() { it.Must(t, c.Close()) })
	n := e2eNode{c, programs}
	n.write(t, map[string]string{
		"/etc/containerd/certs.d/_default/hosts.toml": fmt.Sprintf("[host.\"http://%s\"]\n", registry),
		"/etc/containerd/conf.d/registry.toml":        "version = 4\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/etc/containerd/certs.d'\n",
		e2eDir + "/spec.yaml":                         "os: Linux\n",
		e2eDir + "/sudo":                              "#!/bin/sh\nexec \"$@\"\n",
		e2eDir + "/systemctl":                         systemctl,
		e2eDir + "/" + e2eTests:                       "",
	})
	n.do(t, "sh", "-c", `cd "$0" && chmod 755 sudo systemctl && mount --bind "$1" `+e2eTests, e2eDir, filepath.Join(programs, e2eTests))
	if policy != "" {
		n.install(ctx, t, policy)
	} else {
		it.Must(t, n.RestartContainerd(ctx))
	}
	p, err := n.Daemon("registry", images.program, images.layer, registry)
	it.Must(t, err)
	it.Must(t, p.WaitLog(ctx, "serving images"))
	return n
}

// install installs nodegate with a policy, and starts its agent.
func (n e2eNode) install(ctx context.Context, t *testing.T, policy string) {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	n.do(t, filepath.Join(bin, "nodegate"), "install", "--default-runtime", "--no-systemd", "--from", bin)
	n.write(t, map[string]string{"/etc/nodegate/config.toml": "version = 1\n" + policy})
	it.Must(t, n.RestartContainerd(ctx))
	agent, err := n.Daemon("agent", "/usr/local/bin/nodegate", "run", "-c", "/etc/nodegate/config.toml")
	it.Must(t, err)
	it.Must(t, agent.WaitLog(ctx, "synchronized"))
}

// write writes files of the node's.
func (n e2eNode) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, content := range files {
		it.Must(t, n.WriteFile(name, content))
	}
}

// do runs a command on the node, which has to end well.
func (n e2eNode) do(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := n.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s on the node: %v\n%s", program, err, out)
	}
}
