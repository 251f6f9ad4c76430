// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// A mistake in runc.toml stops what would start, with a sentence, and nothing that
// runs: kubectl exec and the kubelet's probes go on, as granted, and pods can be
// stopped and removed.
func TestWrappedBrokenConfiguration(t *testing.T) {
	n, w := wrappedNode(t, node.Options{})
	g, _ := startAgent(t, n, "[profiles.no-raw]\ncapabilities.drop = [\"NET_RAW\"]\n"+grantApart("mknod", "no-raw"))
	w.exempt(t, g.State)
	good, err := os.ReadFile(w.config)
	must(t, err)
	for _, broken := range []struct{ name, text, want string }{
		{"unknown-key", string(good) + "runtime = \"runc\"\n", `there is no key "runtime": write version, path, state_dir or exempt_namespaces`},
		{"syntax", string(good) + "more = [\n", w.config + ":5: "},
		{"missing", "", "there is no configuration"},
	} {
		t.Run(broken.name, func(t *testing.T) {
			must(t, os.WriteFile(w.config, good, 0o644))
			pod := runPod(t, n, node.PodConfig{Namespace: "ci", Handler: wrapped, Annotations: askForEach("mknod", "no-raw")})
			c := runContainer(t, pod, node.ContainerConfig{Name: "mknod", DropCapabilities: []string{"ALL"}})
			less := runContainer(t, pod, node.ContainerConfig{Name: "no-raw", AddCapabilities: []string{"NET_RAW"}})
			must(t, os.Remove(w.config))
			if broken.text != "" {
				must(t, os.WriteFile(w.config, []byte(broken.text), 0o644))
			}
			must(t, check(t.Context(), c, []fact{has(capMknod), answers("mknod c /tmp/null 1 3", "ok")}))
			must(t, check(t.Context(), less, []fact{lacks(capNetRaw)}))
			if got := refusal(t, pod, node.ContainerConfig{Name: "late"}); !strings.Contains(got, broken.want) {
				t.Errorf("a container is refused with %s", got)
			}
			p, err := n.RunPod(t.Context(), node.PodConfig{Name: "late-" + broken.name, Handler: wrapped})
			if err == nil || !strings.Contains(err.Error(), "nodegate: ") || !strings.Contains(err.Error(), broken.want) {
				t.Errorf("a sandbox %v is refused with %v", p, err)
			}
			if _, err := n.CRI().StopContainer(t.Context(), stopRequest(c)); err != nil {
				t.Error(err)
			}
			remove(t, pod)
		})
	}
	must(t, os.WriteFile(w.config, good, 0o644))
}
