// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// On a machine that systemd runs, the installation is two commands: the agent is a unit
// that is ready when it is registered, does all its work within the unit's capabilities,
// and goes without a trace. The machine is a privileged pod with systemd as PID 1.
func TestInstallUnderSystemd(t *testing.T) {
	if it.Inside() == "machine" {
		installUnderSystemd(t)
		return
	}
	it.NeedDevices(t, "/dev/fuse")
	n := it.StartNode(t, node.Options{CgroupV2: true})
	it.NeedNSDelegate(t)
	it.StartAgent(t, n, it.GrantApart("systemd"))
	bin, err := node.BinDir()
	it.Must(t, err)
	mounts := it.InsideMounts(t, n)
	for from, to := range map[string]string{
		filepath.Join(bin, "containerd-"+node.DefaultContainerd, "containerd"):              "/usr/local/bin/containerd",
		filepath.Join(bin, "containerd-"+node.DefaultContainerd, "containerd-shim-runc-v2"): "/usr/local/bin/containerd-shim-runc-v2",
		filepath.Join(bin, "cni"): "/opt/cni/bin",
	} {
		mounts = append(mounts, node.Mount{HostPath: from, ContainerPath: to, ReadOnly: true})
	}
	lib := filepath.Join(n.Dir(), "inside-lib") // not on the pod's own overlayfs
	it.Must(t, os.Mkdir(lib, 0o755))
	mounts = append(mounts, node.Mount{HostPath: lib, ContainerPath: "/var/lib/containerd"})
	machine := it.Boot(t, n, node.PodConfig{Namespace: "ci", Privileged: true, Annotations: it.AskFor("systemd")},
		node.ContainerConfig{Privileged: true, Mounts: mounts})
	it.State(t, machine)
	said := it.Sh(t, machine, strings.Join(it.InsideCommand(t, "machine"), " ")+" && echo done")
	t.Log(said)
	if !strings.HasSuffix(said, "done") {
		t.Error("the machine's part failed")
	}
}

// appArmorFromAFolder is what the chart's init container does, which sees the machine's root
// at a folder: systemd runs the parser as a service, and keeps none. The kernel here has no
// AppArmor, so one that is said to be there, and a parser that writes down what it is told.
func appArmorFromAFolder(t *testing.T) {
	const file = "/etc/apparmor.d/nodegate-mounts"
	shell(t, "mount -t tmpfs none /sys/module && mkdir -p /sys/module/apparmor/parameters && echo Y >/sys/module/apparmor/parameters/enabled")
	shell(t, `mkdir -p /etc/apparmor.d && printf '#!/bin/sh\necho "$@" >>/run/parsed\ntest -e "$2"\n' >/usr/sbin/apparmor_parser && chmod 755 /usr/sbin/apparmor_parser`)
	shell(t, "mkdir /host && mount --rbind / /host")
	shell(t, it.InsideBin+"/nodegate install --root /host --no-agent")
	shell(t, it.InsideBin+"/nodegate uninstall --root /host --no-agent --purge")
	if said := shell(t, "cat /run/parsed"); said != "-r "+file+"\n-R "+file {
		t.Errorf("the parser was told %q", said)
	}
	if left := shell(t, "ls /etc/apparmor.d; systemctl list-units --all --no-legend 'nodegate-apparmor*'"); left != "" {
		t.Errorf("left behind: %s", left)
	}
	shell(t, "umount -l /host && rmdir /host /etc/apparmor.d && umount /sys/module && rm /usr/sbin/apparmor_parser /run/parsed")
}

// containerdUnit is what containerd's own unit says, as far as it matters here.
const containerdUnit = `[Unit]
Description=containerd
[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
Restart=always
[Install]
WantedBy=multi-user.target
`

// setUpContainerd puts containerd on the machine with its default configuration, but for
// what a test machine does not have: a registry, CAP_SYS_RESOURCE, and the controllers
// of cgroup v2 where its host keeps them in v1.
func setUpContainerd(t *testing.T) {
	t.Helper()
	runc := "#!/bin/sh\nexec " + it.InsideBin + "/limitless " + it.InsideBin + "/runc \"$@\"\n"
	it.Must(t, os.MkdirAll("/usr/local/sbin", 0o755))
	it.Must(t, os.WriteFile("/usr/local/sbin/runc", []byte(runc), 0o755))
	it.Must(t, os.WriteFile("/etc/systemd/system/containerd.service", []byte(containerdUnit), 0o644))
	it.Must(t, os.MkdirAll("/etc/cni/net.d", 0o755))
	it.Must(t, os.WriteFile("/etc/cni/net.d/10-node.conflist", []byte(`{"cniVersion": "1.0.0", "name": "node", "plugins": [{"type": "ptp",
"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}`), 0o644))
	it.Must(t, os.MkdirAll("/etc/containerd", 0o755))
	shell(t, "containerd config default >/etc/containerd/config.toml")
	shell(t, `sed -i -e "s|sandbox = 'registry.*'|sandbox = '`+node.Image+`'|" -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' -e 's/SystemdCgroup = false/SystemdCgroup = true/' /etc/containerd/config.toml`)
	shell(t, "systemctl daemon-reload && systemctl enable --now containerd")
	// Of a user that is not root, whose files root without CAP_DAC_OVERRIDE may not open.
	shell(t, "mknod -m 0600 /dev/serial-test c 1 3 && chown 1000:1000 /dev/serial-test")
}

// shell runs a line on this machine, which has to end well.
func shell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
	t.Logf("# %s\n%s", line, out)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, shellText("systemctl status --no-pager containerd nodegate; journalctl --no-pager -n 60 -u nodegate -u containerd"))
	}
	return strings.TrimSpace(string(out))
}

func shellText(line string) []byte {
	out, _ := exec.Command("sh", "-c", line).CombinedOutput() // for an error's text
	return out
}

// installUnderSystemd is what an administrator does on the machine.
func installUnderSystemd(t *testing.T) {
	setUpContainerd(t)
	n, err := node.Attach(t.Context(), node.Options{SystemdCgroup: true})
	it.Must(t, err)
	t.Cleanup(func() { it.Must(t, n.Close()) })
	pod := node.PodConfig{Namespace: "ci", UserNamespace: true, Annotations: it.AskFor("fuse, ping, cgroup, serial")}
	t.Run("before", func(t *testing.T) {
		it.Expect(t, it.Run(t, n, pod, node.ContainerConfig{}), "open /dev/fuse rw", "ENOENT")
	})
	before := listing(t)
	t.Run("installed", func(t *testing.T) {
		shell(t, it.InsideBin+"/nodegate install --restart")
		becomes(t, "systemctl is-active nodegate", "active")
		if said := shell(t, "systemctl show nodegate containerd -p NeedDaemonReload --value | grep . | sort -u"); said != "no" {
			t.Error("systemd has not read what is on the disk")
		}
		it.Must(t, n.WaitReady(t.Context()))
		usedUnderSystemd(t, n, pod)
		restartedUnderSystemd(t, n, pod)
		installedAgain(t)
	})
	shell(t, "nodegate uninstall --restart")
	gone(t, before, "+ /etc/nodegate", "+ /etc/nodegate/config.toml") // the policy is the administrator's
	shell(t, it.InsideBin+"/nodegate uninstall --purge")
	gone(t, before)

	t.Run("AppArmor, in a container", appArmorFromAFolder)

	// Without --restart containerd goes on as it was, and the agent starts all the same.
	containerd := shell(t, "systemctl show containerd -p MainPID --value")
	shell(t, it.InsideBin+"/nodegate install")
	becomes(t, "systemctl is-active nodegate", "active")
	if now := shell(t, "systemctl show containerd -p MainPID --value"); now != containerd {
		t.Error("containerd was restarted, which nobody asked for")
	}
	shell(t, "nodegate uninstall")
	gone(t, before)
	it.Must(t, n.WaitReady(t.Context()))
	t.Run("from a package", func(t *testing.T) { fromAPackage(t, n, pod) })
	t.Run("from a pod", func(t *testing.T) { installFromPod(t, n) })
}

// installedAgain shows that a healthy agent goes on until it has something to read.
func installedAgain(t *testing.T) {
	t.Helper()
	const pid = "systemctl show nodegate -p MainPID --value"
	agent := shell(t, pid)
	for _, again := range []string{"/nodegate install", "/nodegate install --restart"} {
		if said := shell(t, it.InsideBin+again); said != "nothing to do" {
			t.Errorf("installed again: %s", said)
		}
	}
	if shell(t, pid) != agent {
		t.Error("a healthy agent was restarted, which had nothing to read")
	}
	const dropIns = "/etc/systemd/system/nodegate.service.d"
	shell(t, "mkdir "+dropIns+" && printf '[Service]\\nEnvironment=A=b\\n' >"+dropIns+"/a.conf && "+it.InsideBin+"/nodegate install --restart")
	becomes(t, "test $("+pid+") != "+agent+" && echo restarted", "restarted") // its unit has changed
	shell(t, "rm -r "+dropIns+" && systemctl daemon-reload")
	becomes(t, "systemctl is-active nodegate", "active")
}

// usedUnderSystemd is the way to a pod that gets what it asks for.
func usedUnderSystemd(t *testing.T, n *node.Node, pod node.PodConfig) {
	t.Helper()
	shell(t, "systemctl is-enabled nodegate && nodegate status --strict")
	shell(t, "nodegate doctor")
	if got := it.Refusal(t, it.RunPod(t, n, pod), node.ContainerConfig{}); !strings.Contains(got, "granted there: nothing") {
		t.Errorf("refused with %s", got)
	}
	shell(t, `cat >>/etc/nodegate/config.toml <<'end'
[profiles.cgroup]
cgroup = "writable"
[profiles.serial]
devices = [{ path = "/dev/serial-test", access = "rw" }]
[[grants]]
profiles = ["fuse", "ping", "cgroup", "serial"]
namespaces = ["ci"]
end
nodegate check && until nodegate status --strict >/dev/null 2>&1; do sleep 0.1; done && nodegate doctor`)
	getsAll(t, n, pod)
	withinCapabilities(t)
	shell(t, "systemctl reload nodegate && nodegate status --strict")
	if said := shell(t, "journalctl -q -u nodegate -o cat | grep -E 'device cgroup|shadow_dir' || true"); said != "" {
		t.Errorf("the agent says %s", said)
	}
}

// restartedUnderSystemd shows that the agent follows containerd without being restarted
// itself, and that systemd starts it for as long as its policy has errors.
func restartedUnderSystemd(t *testing.T, n *node.Node, pod node.PodConfig) {
	t.Helper()
	agent := shell(t, "systemctl show nodegate -p MainPID --value")
	shell(t, "systemctl restart containerd")
	it.Must(t, n.WaitReady(t.Context()))
	shell(t, "until nodegate status --strict 2>&1 | grep 'registered 2 times'; do sleep 0.1; done")
	if now := shell(t, "systemctl show nodegate -p MainPID --value"); now != agent {
		t.Errorf("the agent was process %s before containerd was restarted, and is %s", agent, now)
	}
	shell(t, "mkdir /etc/nodegate/conf.d && echo grants = 1 >/etc/nodegate/conf.d/bad.toml && systemctl restart --no-block nodegate")
	becomes(t, "test $(systemctl show nodegate -p NRestarts --value) -ge 3 && echo often", "often")
	shell(t, "rm -r /etc/nodegate/conf.d")
	becomes(t, "systemctl is-active nodegate", "active")
	getsAll(t, n, pod)
}

// gone shows that nothing is left but what is named, and that containerd is well.
func gone(t *testing.T, before map[string]string, but ...string) {
	t.Helper()
	if left := changes(before, listing(t)); !slices.Equal(left, but) {
		t.Errorf("left on the machine:\n%s\nwant %q", strings.Join(left, "\n"), but)
	}
	becomes(t, "systemctl show nodegate -p LoadState --value", "not-found")
	becomes(t, "systemctl is-active containerd", "active")
	becomes(t, "systemctl --failed --no-legend --plain", "")
}

// getsAll runs a pod that gets everything that is granted.
func getsAll(t *testing.T, n *node.Node, pod node.PodConfig) {
	t.Helper()
	for _, handler := range []string{"", it.Wrapped} {
		pod.Handler = handler
		it.ExpectEach(t, it.Run(t, n, pod, node.ContainerConfig{}), []it.QA{
			{"open /dev/fuse rw", "ok"},
			{"open /dev/serial-test rw", "ok"},
			{"open /dev/kvm rw", "ENOENT"},
			{"ping 127.0.0.1", "reply from 127.0.0.1"},
			{"mkdir /sys/fs/cgroup/child", "ok"},
			{"write /sys/fs/cgroup/child/cgroup.procs 0", "ok"},
			{"write /sys/fs/cgroup/cgroup.max.descendants 7", "EACCES"},
		})
	}
}

// withinCapabilities shows that what was done was done with the unit's capabilities.
func withinCapabilities(t *testing.T) {
	t.Helper()
	const want = "CapPrm:\t0000000008000009 CapEff:\t0000000008000009 CapBnd:\t0000000008000009 NoNewPrivs:\t1"
	got := shell(t, "grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs)' /proc/$(systemctl show nodegate -p MainPID --value)/status | paste -sd ' '")
	if got != want { // CAP_CHOWN is 0, CAP_FOWNER 3, CAP_MKNOD 27
		t.Errorf("the agent has %s, want %s", got, want)
	}
}

// becomes waits until a line prints something.
func becomes(t *testing.T, line, want string) {
	t.Helper()
	got := ""
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if got = strings.TrimSpace(string(shellText(line))); got == want {
			return
		}
	}
	t.Fatalf("%s: %s, want %s\n%s", line, got, want, shellText("journalctl --no-pager -n 60 -u nodegate -u containerd"))
}

// listing is what an installation may leave something in, by path: mode, owner, content.
func listing(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, root := range []string{"/etc", "/usr/local", "/opt", "/var/lib/nodegate", "/run/nodegate", "/run/nri", "/dev/.udev"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			content := ""
			switch {
			case info.Mode()&fs.ModeSymlink != 0:
				content, err = os.Readlink(path)
			case info.Mode().IsRegular():
				var data []byte
				data, err = os.ReadFile(path)
				content = fmt.Sprintf("%x", sha256.Sum256(data))
			}
			all[path] = fmt.Sprintf("%v %s", info.Mode(), content)
			return err
		})
		it.Must(t, err)
	}
	for _, dir := range []string{"/", "/run", "/var/lib", "/usr", "/dev"} {
		entries, err := os.ReadDir(dir)
		it.Must(t, err)
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			if _, has := all[path]; !has {
				all[path] = e.Type().String()
			}
		}
	}
	return all
}

// changes compares two listings.
func changes(before, after map[string]string) []string {
	var all []string
	for path, what := range after {
		if was, had := before[path]; !had {
			all = append(all, "+ "+path)
		} else if was != what {
			all = append(all, "~ "+path+": "+was+" became "+what)
		}
	}
	for path := range maps.Keys(before) {
		if _, has := after[path]; !has {
			all = append(all, "- "+path)
		}
	}
	slices.Sort(all)
	return all
}
