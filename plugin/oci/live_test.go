// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
)

var live = change.Adjustment{LiveDirectories: []change.LiveDirectory{{Path: "/s/c1/live-0", ContainerPath: "/dev/serial/by-id"}}}

// A container's spec has what could walk around a live directory. It is refused.
func TestAttackLiveRefusals(t *testing.T) {
	const userNamespace = `"linux":{"namespaces":[{"type":"user"}]}`
	for name, tc := range map[string]struct{ spec, want string }{
		"no user namespace":  {`{"linux":{"namespaces":[{"type":"pid"}]}}`, "no user namespace"},
		"bounding":           {`{"process":{"capabilities":{"bounding":["CAP_SYS_ADMIN"]}},` + userNamespace + `}`, "CAP_SYS_ADMIN"},
		"ambient, otherwise": {`{"process":{"capabilities":{"ambient":["cap_sys_admin"]}},` + userNamespace + `}`, "CAP_SYS_ADMIN"},
		"HostToContainer":    {`{"mounts":[{"destination":"/v","type":"bind","source":"/v","options":["rbind","rslave"]}],` + userNamespace + `}`, `a volume at "/v" in which mounts of the node appear`},
		"Bidirectional":      {`{"mounts":[{"destination":"/v","type":"bind","source":"/v","options":["rbind","rshared"]}],` + userNamespace + `}`, `a volume at "/v" in which mounts of the node appear`},
	} {
		if _, err := Apply([]byte(tc.spec), &live); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	added := live
	added.Capabilities.Add = []string{"CAP_SYS_ADMIN"}
	if _, err := Apply([]byte(`{"process":{"args":["x"]},`+userNamespace+`}`), &added); err == nil || !strings.Contains(err.Error(), "CAP_SYS_ADMIN") {
		t.Errorf("added by a profile: %v", err)
	}
}

// A node of the image's opens no more, nor one in a mount below, and a root that is no
// mount is refused.
func TestCloseRoot(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "rootfs")
	if err := errors.Join(os.Mkdir(root, 0o755), os.WriteFile(filepath.Join(dir, specName), []byte(`{"root":{"path":"rootfs"}}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	b, err := openBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := closeRoot(b, &live); err == nil || !strings.Contains(err.Error(), "no mount of its own") {
		t.Fatalf("a root that is no mount: %v", err)
	}
	mountTmpfs(t, root)
	below := filepath.Join(root, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	mountTmpfs(t, below)
	nodes := []string{filepath.Join(root, "null"), filepath.Join(below, "null")}
	for _, node := range nodes {
		if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
			t.Fatal(err)
		}
		if err := canOpen(node); err != nil {
			t.Fatalf("before: %v", err)
		}
	}
	if err := closeRoot(b, &change.Adjustment{}); err != nil || canOpen(nodes[0]) != nil {
		t.Errorf("without live directories: %v, %v", err, canOpen(nodes[0]))
	}
	if err := closeRoot(b, &live); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		if err := canOpen(node); !errors.Is(err, unix.EACCES) {
			t.Errorf("%s: %v, want EACCES", node, err)
		}
	}
}

func mountTmpfs(t *testing.T, at string) {
	t.Helper()
	if err := unix.Mount("nodegate-test", at, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

func canOpen(node string) error {
	fd, err := unix.Open(node, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}
