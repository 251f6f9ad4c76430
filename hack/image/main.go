// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command image packs a root file system into an image that containerd imports:
//
//	image NAME ROOT.tar IMAGE.tar
//
// It is a system's image: /sbin/init runs as root and stops at the signal that systemd
// takes for a halt. A pod that wants another program names it.
package main

import (
	"errors"
	"fmt"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nodegate/nodegate/integration/node"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: image NAME ROOT.tar IMAGE.tar")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func pack(name, root, image string) (err error) {
	layer, err := os.Open(root)
	if err != nil {
		return fmt.Errorf("reading the root of image %q: %w", name, err)
	}
	defer layer.Close()
	out, err := os.OpenFile(image, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing image %q: %w", name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return node.WriteImage(out, node.ImageName(name), ocispec.ImageConfig{
		User:       "root",
		Entrypoint: []string{"/sbin/init"},
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		// SIGTERM makes systemd execute itself anew.
		StopSignal: "SIGRTMIN+3",
	}, layer)
}
