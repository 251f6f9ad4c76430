// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

//go:embed testdata/criroot.sh
var criRoot string

// registry is where containerd finds all images, in the node's own network.
const registry = "127.0.0.1:5000"

// nested is the image of hack/images that has a static busybox.
const nested = "nested"

// testImages are the images that others' tests pull.
type testImages struct{ program, layer, hosts string }

// buildImages makes their layer in a folder, with programs at its top beside busybox, the
// program that serves them, and the configuration that leads containerd to it, whichever
// registry is asked for.
func buildImages(t *testing.T, dir string, programs ...string) testImages {
	t.Helper()
	node.Require(t, node.Options{}, nested)
	bin, err := node.BinDir()
	it.Must(t, err)
	i := testImages{filepath.Join(dir, "images"), filepath.Join(dir, "layer.tar"), filepath.Join(dir, "hosts")}
	root := filepath.Join(t.TempDir(), "root")
	for _, command := range [][]string{
		{"cp", "--remove-destination", it.BuildCommand(t, "./testdata/images"), i.program},
		append([]string{"sh", "-c", criRoot, "criroot", root, i.program, filepath.Join(bin, "images", nested+".tar")}, programs...),
		{"tar", "-C", root, "--numeric-owner", "-cf", i.layer, "."},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("making the images' layer: %v\n%s", err, out)
		}
	}
	it.Must(t, os.MkdirAll(filepath.Join(i.hosts, "_default"), 0o755))
	it.Must(t, os.WriteFile(filepath.Join(i.hosts, "_default/hosts.toml"), fmt.Appendf(nil, "[host.\"http://%s\"]\n", registry), 0o644))
	return i
}

// options are a node's, which asks the registry.
func (i testImages) options() node.Options {
	return node.Options{ExtraConfig: fmt.Sprintf("[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = %q\n", i.hosts)}
}

// serve serves them to a node for the test's time.
func (i testImages) serve(t *testing.T, n *node.Node) {
	t.Helper()
	p, err := node.StartProcess("registry", n.Command(i.program, i.layer, registry), filepath.Join(t.TempDir(), "log"))
	it.Must(t, err)
	t.Cleanup(func() { _ = p.Kill() })
	it.Must(t, p.WaitLog(t.Context(), "serving images"))
}
