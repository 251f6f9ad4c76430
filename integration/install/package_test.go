// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// fromAPackage is the way of the deb of make deb: it starts nothing, nodegate install uses
// it where it is, an upgrade keeps the policy and the agent that runs, and it goes without
// a trace, but not while containerd's configuration names its wrapper.
func fromAPackage(t *testing.T, n *node.Node, pod node.PodConfig) {
	const units = "systemctl show containerd nodegate -p MainPID --value | paste -sd ' '"
	const packaged = "cat /var/lib/dpkg/info/nodegate.list | while read f; do test ! -f $f || echo $f; done"
	before := listing(t)
	state := shell(t, units)
	shell(t, "dpkg -i "+it.InsideBin+"/deb/nodegate_*.deb")
	if now := shell(t, units+"; systemctl is-enabled nodegate || true"); now != state+"\ndisabled" {
		t.Errorf("the package started or enabled something: %s, and before %s", now, state)
	}
	files := shell(t, packaged)
	shell(t, "nodegate install --restart")
	becomes(t, "systemctl is-active nodegate", "active")
	it.Must(t, n.WaitReady(t.Context()))
	if agent := shell(t, "readlink /proc/$(systemctl show nodegate -p MainPID --value)/exe; ls /usr/local/bin /etc/systemd/system | grep nodegate || true"); agent != "/usr/bin/nodegate" {
		t.Errorf("not the package's own program and unit: %s", agent)
	}
	shell(t, `printf '[[grants]]\nprofiles = ["fuse", "ping"]\nnamespaces = ["ci"]\n' >>/etc/nodegate/config.toml && systemctl reload nodegate && until nodegate status --strict >/dev/null 2>&1; do sleep 0.1; done`)
	pod.Handler, pod.Annotations = it.Wrapped, it.AskFor("fuse, ping")
	t.Run("a pod", func(t *testing.T) { // which is gone before the wrapper is
		it.Expect(t, it.Run(t, n, pod, node.ContainerConfig{}), "open /dev/fuse rw", "ok")
	})

	state = shell(t, units)
	policy := shell(t, "md5sum /etc/nodegate/config.toml")
	shell(t, `cd $(mktemp -d) && dpkg-deb -R `+it.InsideBin+`/deb/nodegate_*.deb next && sed -i 's/^Version: /&9:/' next/DEBIAN/control &&
		echo >>next/usr/bin/nodegate && dpkg-deb -Znone --root-owner-group -b next && dpkg -i next.deb && rm -r $PWD`)
	if now := shell(t, units); now != state {
		t.Errorf("the upgrade restarted something: %s, and before %s", now, state)
	}
	if now := shell(t, "md5sum /etc/nodegate/config.toml"); now != policy {
		t.Error("the upgrade replaced the administrator's policy")
	}
	shell(t, "systemctl restart nodegate && nodegate status --strict && cmp /proc/$(systemctl show nodegate -p MainPID --value)/exe /usr/bin/nodegate")

	if said, err := exec.Command("dpkg", "--purge", "nodegate").CombinedOutput(); err == nil || !strings.Contains(string(said), "run nodegate uninstall --restart before") {
		t.Errorf("purged while it is in use: %s, %v", said, err)
	}
	shell(t, "systemctl is-active nodegate && nodegate uninstall --restart && dpkg --purge nodegate")
	gone(t, before)
	for name := range strings.FieldsSeq(files) {
		if left := shell(t, "ls "+name+" 2>/dev/null || true"); left != "" {
			t.Errorf("left of the package: %s", left)
		}
	}
	it.Must(t, n.WaitReady(t.Context()))
}
