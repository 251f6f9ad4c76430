// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command release makes nodegate's container image: static programs on nothing else,
// for each platform, with the licences of all that is linked and a list of it (SPDX).
// What goes in alone decides what comes out: the same tree gives the same digests,
// whenever and wherever it is built.
//
//	release -source DIR -out DIR -version VERSION -epoch SECONDS
//
// In the output folder are
//
//	oci/                          an OCI layout with an index of all platforms
//	nodegate-VERSION-oci.tar      the same as one file: ctr images import, skopeo
//	nodegate-linux-ARCH.tar       docker load, ctr images import, k3s's images folder
//	nodegate-linux-ARCH.spdx.json what is in it
//	version.txt                   the version, which is the image's tag
//	digests.txt                   the digest of the index and of each platform's image
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// architectures are those that the image is for; the system is always Linux.
var architectures = []string{"amd64", "arm64"}

// options say what to build. The zero time is the beginning of 1970.
type options struct {
	source, out string
	version     string
	created     time.Time
}

func main() {
	var o options
	var epoch int64
	flag.StringVar(&o.source, "source", ".", "nodegate's source tree")
	flag.StringVar(&o.out, "out", "", "the folder to write to; made, or made anew")
	flag.StringVar(&o.version, "version", "", "nodegate's version, and the image's tag")
	flag.Int64Var(&epoch, "epoch", 0, "the time of all that is written, in seconds since 1970")
	flag.Parse()
	if o.out == "" || o.version == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	o.created = time.Unix(epoch, 0).UTC()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run builds in a folder beside the output and puts it there when all is done.
func run(o options) (err error) {
	out, err := filepath.Abs(o.out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(out), ".release-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	var built []platformImage
	for _, arch := range architectures {
		p, err := buildPlatform(o, arch, filepath.Join(work, "build-"+arch))
		if err != nil {
			return fmt.Errorf("linux/%s: %w", arch, err)
		}
		built = append(built, p)
	}
	result := filepath.Join(work, "result")
	if err := writeAll(o, result, built); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return os.Rename(result, out)
}

// platformImage is the image for one architecture.
type platformImage struct {
	arch  string
	image v1.Image
	sbom  []byte
}

func buildPlatform(o options, arch, dir string) (platformImage, error) {
	programs, err := compile(o, arch, dir)
	if err != nil {
		return platformImage{}, err
	}
	modules, err := modulesOf(programs)
	if err != nil {
		return platformImage{}, err
	}
	files, err := licences(o.source, modules)
	if err != nil {
		return platformImage{}, err
	}
	sbom, err := sbom(o, arch, modules)
	if err != nil {
		return platformImage{}, err
	}
	for _, p := range programs {
		files = append(files, file{name: "usr/bin/" + filepath.Base(p), mode: 0o755, path: p})
	}
	files = append(files, file{name: "usr/share/nodegate/sbom.spdx.json", mode: 0o644, content: sbom})
	image, err := assemble(o, arch, files)
	return platformImage{arch: arch, image: image, sbom: sbom}, err
}
