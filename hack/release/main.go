// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command release makes what a release of nodegate consists of: static programs for each
// platform, in a container image, packages and archives, each with the licences of all
// that is linked and a list of it (SPDX). What goes in alone decides what comes out: the
// same tree gives the same digests, whenever and wherever it is built.
//
//	release -make image -source DIR -out DIR -version VERSION -epoch SECONDS
//
// In the output folder are with -make image
//
//	oci/                          an OCI layout with an index of all platforms
//	nodegate-VERSION-oci.tar      the same as one file: ctr images import, skopeo
//	nodegate-linux-ARCH.tar       docker load, ctr images import, k3s's images folder
//	nodegate-linux-ARCH.spdx.json what is in it
//	version.txt                   the version, which is the image's tag
//	digests.txt                   the digest of the index and of each platform's image
//
// with -make deb a deb for this machine's architecture, and with -make all, beside the image,
//
//	nodegate_VERSION_linux_ARCH.tar.gz   programs and documentation
//	*.deb, *.rpm                         packages
//	nodegate-chart-VERSION.tgz, chart/   the chart, and as an artifact in an OCI layout
//	kubectl-*_OS_ARCH.tar.gz, krew-*     kubectl's plugins, if there are any below cmd/
//	checksums.txt                        for sha256sum -c
//	provenance.intoto.json               an in-toto statement with SLSA's provenance, unsigned
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Where a node's programs run, and where kubectl does.
var (
	nodePlatforms   = []platform{{"linux", "amd64"}, {"linux", "arm64"}}
	pluginPlatforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"}}
)

// options say what to build. The zero time is the beginning of 1970.
type options struct {
	make        string // image, deb or all
	source, out string
	version     string
	commit      string // of the source, for the provenance; "" if that is not known
	created     time.Time
	plugins     []platform
}

func main() {
	o := options{plugins: pluginPlatforms}
	var epoch int64
	flag.StringVar(&o.make, "make", "image", "image, deb (for this machine's architecture) or all")
	flag.StringVar(&o.source, "source", ".", "nodegate's source tree")
	flag.StringVar(&o.out, "out", "", "the folder to write to; made, or made anew")
	flag.StringVar(&o.version, "version", "", "nodegate's version, and the image's tag")
	flag.StringVar(&o.commit, "commit", "", "the source tree's commit")
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
	if o.source, err = filepath.Abs(o.source); err != nil {
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

	result := filepath.Join(work, "result")
	if err := os.Mkdir(result, 0o755); err != nil {
		return err
	}
	if err := write(o, result, work); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	return os.Rename(result, out)
}

func write(o options, dir, work string) error {
	node, plugins, err := commands(o.source)
	if err != nil {
		return err
	}
	platforms := nodePlatforms
	switch o.make {
	case "image":
	case "deb":
		platforms = []platform{{"linux", runtime.GOARCH}}
	case "all":
		if err := releasable(o); err != nil {
			return err
		}
	default:
		return fmt.Errorf("-make %q is not known: write image, deb or all", o.make)
	}
	var built []build
	for _, p := range platforms {
		b, err := buildFor(o, "nodegate", p, work, node)
		if err != nil {
			return err
		}
		built = append(built, b)
	}
	if o.make == "deb" {
		return writePackages(o, dir, work, built[0], "deb")
	}
	if err := writeImage(o, dir, built); err != nil || o.make == "image" {
		return err
	}
	for _, b := range built {
		if err := errors.Join(nodeArchive(o, dir, b), writePackages(o, dir, work, b, "deb", "rpm")); err != nil {
			return err
		}
	}
	for _, name := range plugins {
		if err := writePlugin(o, dir, work, name); err != nil {
			return err
		}
	}
	return errors.Join(writeChart(o, dir), writeChecksums(o, dir))
}

// releasable refuses a version that nobody has described.
func releasable(o options) error {
	if !semantic.MatchString(o.version) {
		return fmt.Errorf("version %q is none of a release: write for example 0.1.0, with no v before it", o.version)
	}
	changes, err := os.ReadFile(filepath.Join(o.source, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if !bytes.Contains(changes, []byte("\n## ["+o.version+"]")) {
		return fmt.Errorf("CHANGELOG.md has no section of version %s: write \"## [%s] - \" and the day above what it changes", o.version, o.version)
	}
	return nil
}
