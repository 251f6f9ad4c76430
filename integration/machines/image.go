// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

//go:embed files
var files embed.FS

//go:embed selinux.sh
var selinuxScript string

// diskSize is what the machine's disk can hold; the image is as large as its content.
const diskSize = "8G"

// guestDir is where a machine has the program guest.
const guestDir = "/usr/local/lib/nodegate-machine"

// containerImages are what containerd of a machine has from the start, beside the probe.
var containerImages = []string{"systemd", "nested", "tools"}

// image is a machine that was never started: a disk, its kernels and an initial RAM disk
// for each of them.
type image struct {
	dir   string
	key   string
	boots string // the kernel's package
}

func (i image) disk() string   { return filepath.Join(i.dir, "disk.ext4") }
func (i image) kernel() string { return filepath.Join(i.dir, "kernel-"+i.boots) }
func (i image) initrd() string { return filepath.Join(i.dir, "initrd-"+i.boots) }

// builder makes what a machine of one system starts from.
type builder struct {
	system System
	bin    string
	cache  cache
	log    io.Writer
}

func (b *builder) say(format string, args ...any) {
	fmt.Fprintf(b.log, "machines: "+format+"\n", args...)
}

// programs are what a machine has in its root beside Debian: from bin/, by their place.
func (b *builder) programs() map[string]string {
	containerd := filepath.Join(b.bin, "containerd-"+b.system.containerd())
	return map[string]string{
		filepath.Join(containerd, "containerd"):              "/usr/local/bin/containerd",
		filepath.Join(containerd, "containerd-shim-runc-v2"): "/usr/local/bin/containerd-shim-runc-v2",
		filepath.Join(b.bin, "runc"):                         "/usr/local/sbin/runc",
		filepath.Join(b.bin, "cni"):                          "/opt/cni/bin",
		filepath.Join(b.bin, "guest"):                        guestDir + "/guest",
	}
}

// imageKey is a digest of all that an image is made of.
func (b *builder) imageKey(rootTar string) (string, error) {
	// The probe is not among them: whoever speaks to the machine's containerd imports the
	// present one (node.Attach).
	var paths []string
	for from := range b.programs() {
		paths = append(paths, from)
	}
	programs, err := digestFiles(sorted(paths)...)
	if err != nil {
		return "", err
	}
	paths = nil
	for _, name := range containerImages {
		paths = append(paths, filepath.Join(b.bin, "images", name+".tar"))
	}
	images, err := digestTimes(paths...)
	if err != nil {
		return "", err
	}
	own := []string{programs, images, rootTar, diskSize}
	entries, err := files.ReadDir("files")
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		content, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			return "", err
		}
		own = append(own, e.Name(), string(content))
	}
	if b.system.SELinux {
		own = append(own, selinuxScript)
	}
	return digest(own...), nil
}

// image returns the system's image, made where it is not there.
func (b *builder) image(ctx context.Context) (image, error) {
	tar, err := b.root(ctx)
	if err != nil {
		return image{}, err
	}
	key, err := b.imageKey(filepath.Base(filepath.Dir(tar)))
	if err != nil {
		return image{}, err
	}
	dir, err := b.cache.entry("image-"+b.system.base(), key, func(dir string) error {
		b.say("the image of %s", b.system.base())
		return b.makeImage(ctx, tar, dir)
	})
	return image{dir, key, b.system.Kernel}, err
}

func (b *builder) makeImage(ctx context.Context, tar, dir string) (err error) {
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if err := output(exec.CommandContext(ctx, "tar", "--extract", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--file", tar, "--directory", root)); err != nil {
		return err
	}
	if err := b.furnish(ctx, root); err != nil {
		return err
	}
	if err := b.importImages(ctx, filepath.Join(root, "var/lib/containerd")); err != nil {
		return err
	}
	if b.system.SELinux {
		if err := output(exec.CommandContext(ctx, "sh", "-ec", selinuxScript, "selinux.sh", root)); err != nil {
			return err
		}
	}
	for _, name := range b.system.Kernels {
		if err := b.takeKernel(ctx, root, image{dir: dir, boots: name}); err != nil {
			return err
		}
	}
	return output(exec.CommandContext(ctx, "mke2fs", "-q", "-t", "ext4", "-m", "0", "-L", "root",
		"-E", "lazy_itable_init=0,lazy_journal_init=0,assume_storage_prezeroed=1", "-d", root, filepath.Join(dir, "disk.ext4"), diskSize))
}

// furnish puts a node's programs and configuration into the root.
func (b *builder) furnish(ctx context.Context, root string) error {
	for from, to := range b.programs() {
		if err := copyTree(from, filepath.Join(root, to)); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{
		"containerd.service": "/etc/systemd/system/containerd.service",
		"guest.service":      "/etc/systemd/system/guest.service",
		"10-node.conflist":   "/etc/cni/net.d/10-node.conflist",
	} {
		content, err := files.ReadFile("files/" + name)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(root, to), content, 0o644); err != nil {
			return err
		}
	}
	script, err := files.ReadFile("files/furnish.sh")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "sh", "-s", root)
	cmd.Env = append(os.Environ(), "SANDBOX_IMAGE="+node.Image)
	cmd.Stdin = strings.NewReader(string(script))
	return output(cmd)
}

// takeKernel puts a kernel of the root where the emulator finds it.
func (b *builder) takeKernel(ctx context.Context, root string, i image) error {
	all, err := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	if err != nil {
		return err
	}
	for _, path := range all {
		release := strings.TrimPrefix(filepath.Base(path), "vmlinuz-")
		if strings.Contains(release, "-cloud-") != strings.Contains(i.boots, "-cloud-") {
			continue
		}
		if err := copyFile(path, i.kernel(), 0o644); err != nil {
			return err
		}
		return writeInitrd(ctx, i.initrd(), root, release, filepath.Join(b.bin, "guest"))
	}
	return fmt.Errorf("the root of %s has no %s among %q", b.system.base(), i.boots, all)
}
