// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

const ownerSpec = `{"process":{"user":{"uid":1000,"gid":7}},"linux":{
	"uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
	"gidMappings":[{"containerID":0,"hostID":200000,"size":5}]}}`

// The agent is not told a container's user before containerd 2.3; the wrapper
// finds it in the spec and hands the shadow node over.
func TestOwnShadowNodes(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	node := filepath.Join(dir, "0")
	if err := unix.Mknod(node, unix.S_IFCHR|0o660, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(node, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	shadow := change.ShadowNode{Path: node, Type: "c", Major: 1, Minor: 3, UID: 100000, GID: 200000, ContainerPath: "/dev/x"}
	for _, tc := range []struct {
		name   string
		change func(*change.ShadowNode)
		owner  string
		fails  string
	}{
		{"nobody's business", func(*change.ShadowNode) {}, "0:0", ""},
		{"the uid", func(s *change.ShadowNode) { s.Process.UID = true }, "101000:200000", ""},
		{"a gid without a place", func(s *change.ShadowNode) { s.Process.GID = true }, "101000:200000", "linux.gidMappings has no place for 7"},
		{"another device", func(s *change.ShadowNode) { s.Process.UID, s.Minor = true, 5 }, "101000:200000", "is not the device c 1:5"},
		{"a link", func(s *change.ShadowNode) { s.Process.UID, s.Path = true, filepath.Join(dir, "link") }, "101000:200000", "is not the device"},
		{"gone", func(s *change.ShadowNode) { s.Process.UID, s.Path = true, filepath.Join(dir, "1") }, "101000:200000", "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec, err := parseDocument(specName, []byte(ownerSpec))
			if err != nil {
				t.Fatal(err)
			}
			s := shadow
			tc.change(&s)
			err = ownShadowNodes(spec, []change.ShadowNode{s})
			if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("got %v, want %q", err, tc.fails)
			}
			var st unix.Stat_t
			if err := unix.Stat(node, &st); err != nil {
				t.Fatal(err)
			}
			if owner := fmt.Sprintf("%d:%d", st.Uid, st.Gid); owner != tc.owner {
				t.Errorf("the node belongs to %s, want %s", owner, tc.owner)
			}
		})
	}
}

// needRoot ends a test that makes device nodes or mounts where it may not.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") != "":
		t.Fatal("only root can make device nodes and mounts: run the tests as root")
	default:
		t.Skip("only root can make device nodes and mounts: run the tests as root")
	}
}
