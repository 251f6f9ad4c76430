// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

// K3sConfig is what k3s's containerd reads, and k3s writes at each start.
const K3sConfig = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"

// socket is where the node's containerd listens.
func (n *Node) socket() string {
	if n.options.K3s != "" {
		return "/run/k3s/containerd/containerd.sock"
	}
	return "/run/containerd/containerd.sock"
}

// furnishK3s puts k3s onto the node: all that it brings is in a folder of its release.
func (n *Node) furnishK3s(files map[string]string) error {
	const data = "/var/lib/rancher/k3s/data"
	bin := filepath.Join(data, n.options.K3s, "bin")
	programs := map[string]string{"k3s": bin + "/k3s", "runc": bin + "/runc",
		"containerd-" + node.DefaultContainerd + "/containerd-shim-runc-v2": bin + "/containerd-shim-runc-v2"}
	for _, name := range cniPlugins {
		programs["cni/"+name] = bin + "/" + name
	}
	if err := n.copyPrograms(programs); err != nil {
		return err
	}
	if err := os.Symlink("k3s", n.machine.path(bin+"/containerd")); err != nil {
		return err
	}
	if err := os.Symlink(n.options.K3s, n.machine.path(data+"/current")); err != nil {
		return err
	}
	files["/var/lib/rancher/k3s/agent/etc/cni/net.d/10-node.conflist"] = fmt.Sprintf(cniConfig, n.pods())
	files["/etc/systemd/system/k3s.service"] = fmt.Sprintf(k3sUnit, data+"/current/bin/k3s", node.Image, n.logFile("containerd"))
	return nil
}

// k3sUnit is what k3s's own unit says, as far as it matters here.
const k3sUnit = `[Unit]
Description=k3s
[Service]
ExecStart=%s server
Environment=K3S_PAUSE_IMAGE=%s K3S_RESTRICT_OOM=1
StandardOutput=append:%s
StandardError=inherit
KillMode=process
Delegate=yes
Restart=always
RestartSec=1s
`

// systemdScript runs systemd, which is no process 1 here, as a manager of root's own units:
// its interface is the same. It keeps to the node's cgroup.
const systemdScript = `set -eu
for dir in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
	[ -d "$dir/$1" ] || continue
	mkdir -p "$dir/$1/units"
	echo $$ >"$dir/$1/units/cgroup.procs"
done
mkdir -p /run/systemd/system /run/user/0
ln -s ../user/0/systemd/private /run/systemd/private
export XDG_RUNTIME_DIR=/run/user/0 HOME=/root SYSTEMD_UNIT_PATH=/etc/systemd/system:
exec /lib/systemd/systemd --user --log-target=console --unit=basic.target`

func (n *Node) startK3s(ctx context.Context) error {
	systemd, err := n.run("systemd", "sh", "-c", systemdScript, "systemd", n.cgroup)
	if err != nil {
		return err
	}
	if err := systemd.WaitFor(ctx, "systemd's socket", func() bool {
		_, err := os.Stat(n.machine.path("/run/user/0/systemd/private"))
		return err == nil
	}); err != nil {
		return err
	}
	if _, err := n.systemctl("start", "k3s"); err != nil {
		return err
	}
	return n.k3sListens(ctx)
}

func (n *Node) restartK3s(ctx context.Context) error {
	if _, err := n.systemctl("restart", "k3s"); err != nil {
		return err
	}
	return n.k3sListens(ctx)
}

func (n *Node) k3sListens(ctx context.Context) error {
	return n.processes[0].WaitFor(ctx, "a containerd that listens: "+n.LogOf("containerd"), func() bool {
		conn, err := n.connect()
		if err != nil {
			return false
		}
		defer conn.Close()
		_, err = conn.Version(ctx)
		return err == nil
	})
}

// systemctl asks the node's systemd.
func (n *Node) systemctl(args ...string) (string, error) {
	out, err := n.machine.enter("env", append([]string{"XDG_RUNTIME_DIR=/run/user/0", "systemctl", "--user"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
