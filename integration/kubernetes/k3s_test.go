// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
)

// The chart does all of it on k3s: it asks k3s's containerd for its version, writes what
// survives k3s's next start, restarts k3s by its unit, and takes everything back. Releases
// before 1.36 import no drop-ins.
func TestK3s(t *testing.T) {
	for release, written := range map[string]string{"v1.36.4": "config-v3.toml.d/zz-nodegate.toml", "v1.35.6": "config-v3.toml.tmpl"} {
		t.Run(release, func(t *testing.T) {
			k := ownWith(t, cluster.Options{K3s: release})
			written := path.Join(path.Dir(cluster.K3sConfig), written)
			before := k.file(cluster.K3sConfig)
			k.install("--set", "nri.runtime.patchConfig=true,nri.runtime.restart=true,nri.runtime.undoOnUninstall=true",
				"--set-file", "policy="+k.policy(""))
			k.namespace("ci")
			k.usedOnK3s("installed")
			k.doctorOnK3s()
			k.restartContainerd()
			k.rollout()
			if !strings.Contains(k.file(written), "nodegate-runc") {
				t.Errorf("%s is not what the installer wrote", written)
			}
			k.usedOnK3s("restarted")

			k.do("delete", "pod", "--all", "-n", "ci", "--wait")
			k.helm("uninstall", "nodegate", "--namespace", namespace, "--wait", "--timeout", "3m")
			if _, err := k.ReadFile(written); !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", written, err)
			}
			if after := k.file(cluster.K3sConfig); after != before {
				t.Errorf("k3s generates\n%s\nand generated\n%s", after, before)
			}
		})
	}
}

// usedOnK3s runs pods that need NRI, the wrapper, and both.
func (k *kube) usedOnK3s(name string) {
	k.Helper()
	for pod, spec := range map[string]string{"plain": "", "wrapped": "runtimeClassName: nodegate", "userns": "runtimeClassName: nodegate\n  hostUsers: false"} {
		pod += "-" + name
		k.apply(manifest("ci", pod, "profiles.nodegate.dev: fuse", spec))
		k.ready("ci", pod)
		if got := k.probe("ci", pod, "open /dev/fuse rw"); got != "ok" {
			k.Errorf("%s: open /dev/fuse: %s", pod, got)
		}
	}
}

// doctorOnK3s shows that doctor knows what k3s's containerd reads, whose title is
// overwritten.
func (k *kube) doctorOnK3s() {
	k.Helper()
	if err := k.WriteFile("/tmp/policy.toml", "version = 1\n"); err != nil {
		k.Fatal(err)
	}
	out, err := k.Command("/usr/local/bin/nodegate", "doctor", "--config", "/tmp/policy.toml").CombinedOutput()
	k.Logf("doctor: %v\n%s", err, out)
	text := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{"configuration ok version 4, " + cluster.K3sConfig, "nri-timeouts ok registration 5s, request 2s", "validator ok on", "required-plugins ok none for all pods"} {
		if !strings.Contains(text, want) {
			k.Errorf("doctor does not say %q", want)
		}
	}
}

// file reads a file of the node's.
func (k *kube) file(name string) string {
	k.Helper()
	text, err := k.ReadFile(name)
	if err != nil {
		k.Fatal(fmt.Errorf("%w\n%s", err, k.LogOf("containerd")))
	}
	return text
}
