// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// An image may hold device nodes, which no denial of mknod and no user namespace keeps
// out. What they open is what the device cgroup allows, and nothing else.
func TestAttackNodesOfAnImage(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/loop-control")
	n := it.SharedNode(t)
	image := importWithNodes(t, n)
	it.StartAgent(t, n, `
[profiles.fuse-by-number]
device_cgroup_rules = ["c 10:229 rw"]
[[grants]]
namespaces = ["ci"]
profiles = ["no-mknod"]
apply = "always"
[[grants]]
namespaces = ["ci"]
profiles = ["fuse-by-number"]
`)
	for name, tc := range map[string]struct {
		ask, fuse string
		userns    bool
	}{
		"no rule, plain pod":      {"", "EPERM", false},
		"no rule, user namespace": {"", "EPERM", true},
		"a rule, plain pod":       {"fuse-by-number", "ok", false},
		"a rule, user namespace":  {"fuse-by-number", "ok", true},
	} {
		t.Run(name, func(t *testing.T) {
			pod := node.PodConfig{Namespace: "ci", UserNamespace: tc.userns}
			if tc.ask != "" {
				pod.Annotations = it.AskFor(tc.ask)
			}
			c := it.Run(t, n, pod, node.ContainerConfig{Image: image, RunAsUser: new(int64(1000))})
			it.ExpectEach(t, c, []it.QA{{"mknod c /tmp/fuse 10 229", "EPERM"}, {"open /etc/fuse rw", tc.fuse}, {"open /etc/control r", "EPERM"}})
		})
	}
}

// importWithNodes gives the node an image of the probe and of two device nodes.
func importWithNodes(t *testing.T, n *node.Node) string {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	program, err := os.ReadFile(filepath.Join(bin, "probe"))
	it.Must(t, err)
	var layer, image bytes.Buffer
	files := tar.NewWriter(&layer)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: node.ProbePath[1:], Mode: 0o755, Size: int64(len(program))},
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
		{Typeflag: tar.TypeChar, Name: "etc/fuse", Mode: 0o666, Devmajor: 10, Devminor: 229},
		{Typeflag: tar.TypeChar, Name: "etc/control", Mode: 0o666, Devmajor: 10, Devminor: 237},
	} {
		it.Must(t, files.WriteHeader(&h))
		_, err := files.Write(program[:h.Size])
		it.Must(t, err)
	}
	it.Must(t, files.Close())
	const name = "docker.io/local/nodes:1"
	it.Must(t, node.WriteImage(&image, name, ocispec.ImageConfig{Entrypoint: []string{node.ProbePath}, Cmd: []string{"pause"}, WorkingDir: "/"},
		bytes.NewReader(layer.Bytes())))
	_, err = n.ImportImage(t.Context(), &image, name)
	it.Must(t, err)
	return name
}
