// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
	"github.com/nodegate/nodegate/integration/internal/recipes"
)

// Two pods of the recipe for a VPN, restricted and not root, reach each other through a
// tunnel of theirs. Without the wrapper it takes a pod that asks for the capability, which
// no level but privileged admits.
func TestTunnel(t *testing.T) {
	cluster.Require(t, "tools")
	needDevices(t)
	r := recipes.Read(t, "../..")["A VPN"]
	k := installed(t)
	if _, err := k.Import(t.Context(), "tools"); err != nil {
		t.Fatal(err)
	}
	k.cook(r)
	k.apply(r.Manifest(t, recipes.Named("peer")...))
	pods := []string{r.Pod, "peer"}
	var keys, addresses [2]string
	for i, pod := range pods {
		k.ready(r.Namespace, pod)
		keys[i] = k.exec(r.Namespace, pod, "sh", "-c", "umask 077; wg genkey >/tmp/key; wg pubkey </tmp/key")
		addresses[i] = k.get("-n", r.Namespace, "get", "pod", pod, "-o", "jsonpath={.status.podIP}")
	}
	for i, pod := range pods {
		other := 1 - i
		if out := k.exec(r.Namespace, pod, "sh", "-ec", fmt.Sprintf(`
wg set wg0 private-key /tmp/key listen-port 51820 peer %s allowed-ips 10.8.0.%d/32 endpoint %s:51820
ip address add 10.8.0.%d/24 dev wg0
ip link set wg0 up`, keys[other], other+1, addresses[other], i+1)); out != "" {
			t.Fatalf("%s: %s", pod, out)
		}
	}
	if out := k.exec(r.Namespace, r.Pod, "ping", "-c", "1", "-W", "10", "10.8.0.2"); !strings.Contains(out, " 1 received") {
		t.Error(out)
	}
	if out := k.exec(r.Namespace, r.Pod, "wg", "show", "wg0", "latest-handshakes"); strings.HasSuffix(out, "\t0") {
		t.Errorf("no handshake: %s", out)
	}

	itself := append(recipes.Named("itself"), `(?m)^    profiles\..*$`, "    profiles.nodegate.dev: tun",
		`  runtimeClassName: nodegate\n`, "", `(?m)^    runAs.*\n`, "", `(?m)^      capabilities: .*$`, `      capabilities: { add: ["NET_ADMIN"] }`)
	for _, level := range []string{"restricted", "baseline"} {
		k.do("label", "--overwrite", "namespace", r.Namespace, "pod-security.kubernetes.io/enforce="+level)
		k.violates(r.Manifest(t, itself...), level, "NET_ADMIN")
	}
	k.do("label", "--overwrite", "namespace", r.Namespace, "pod-security.kubernetes.io/enforce=privileged")
	k.apply(r.Manifest(t, itself...))
	k.ready(r.Namespace, "itself")
	k.shows("kubectl -n "+r.Namespace+" exec itself -- ip -brief link show wg0", "wg0 …")
}
