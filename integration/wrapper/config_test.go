// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"os"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A mistake in runc.toml stops what would start, with a sentence, and nothing that
// runs: kubectl exec and the kubelet's probes go on, as granted, and pods can be
// stopped and removed.
func TestWrappedBrokenConfiguration(t *testing.T) {
	n, w := it.WrappedNode(t, node.Options{})
	g, _ := it.StartAgent(t, n, "[profiles.no-raw]\ncapabilities.drop = [\"NET_RAW\"]\n"+it.GrantApart("mknod", "no-raw"))
	w.Exempt(t, g.State)
	good, err := os.ReadFile(w.Config)
	it.Must(t, err)
	for _, broken := range []struct{ name, text, want string }{
		{"unknown-key", string(good) + "runtime = \"runc\"\n", `there is no key "runtime": write version, path, state_dir, exempt_namespaces, strict or a table`},
		{"syntax", string(good) + "more = [\n", w.Config + ":5: "},
		{"missing", "", "there is no configuration"},
	} {
		t.Run(broken.name, func(t *testing.T) {
			it.Must(t, os.WriteFile(w.Config, good, 0o644))
			pod := it.RunPod(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, Annotations: it.AskForEach("mknod", "no-raw")})
			c := it.RunContainer(t, pod, node.ContainerConfig{Name: "mknod", DropCapabilities: []string{"ALL"}})
			less := it.RunContainer(t, pod, node.ContainerConfig{Name: "no-raw", AddCapabilities: []string{"NET_RAW"}})
			it.Must(t, os.Remove(w.Config))
			if broken.text != "" {
				it.Must(t, os.WriteFile(w.Config, []byte(broken.text), 0o644))
			}
			it.Must(t, it.Check(t.Context(), c, []it.Fact{it.Has(it.CapMknod), it.Answers("mknod c /tmp/null 1 3", "ok")}))
			it.Must(t, it.Check(t.Context(), less, []it.Fact{it.Lacks(it.CapNetRaw)}))
			if got := it.Refusal(t, pod, node.ContainerConfig{Name: "late"}); !strings.Contains(got, broken.want) {
				t.Errorf("a container is refused with %s", got)
			}
			p, err := n.RunPod(t.Context(), node.PodConfig{Name: "late-" + broken.name, Handler: it.Wrapped})
			if err == nil || !strings.Contains(err.Error(), "nodegate: ") || !strings.Contains(err.Error(), broken.want) {
				t.Errorf("a sandbox %v is refused with %v", p, err)
			}
			if _, err := n.CRI().StopContainer(t.Context(), it.StopRequest(c)); err != nil {
				t.Error(err)
			}
			it.Remove(t, pod)
		})
	}
	it.Must(t, os.WriteFile(w.Config, good, 0o644))
}
