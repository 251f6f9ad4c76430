// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the formats
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

const packageFolder = "hack/release/package"

// semantic is what a release's version looks like. What it is built of between releases
// sorts before all of them in a package.
var semantic = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

func packageVersion(version string) string {
	if semantic.MatchString(version) {
		return strings.Replace(version, "-", "~", 1)
	}
	return "0~" + strings.NewReplacer("-", ".", "+", ".").Replace(version)
}

// writePackages writes a deb or an rpm into dir. What goes in is staged in work.
func writePackages(o options, dir, work string, b build, formats ...string) error {
	stage := filepath.Join(work, "package-"+b.arch)
	if err := writeStage(o, stage, b); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(o.source, packageFolder, "nfpm.yaml"))
	if err != nil {
		return err
	}
	for _, format := range formats {
		// A deb's revision would be that of a distribution, and an rpm has to have one.
		values := map[string]string{"VERSION": packageVersion(o.version), "RELEASE": map[string]string{"rpm": "1"}[format], "GOARCH": b.arch, "STAGE": stage, "SOURCE": o.source}
		config, err := nfpm.ParseWithEnvMapping(bytes.NewReader(text), func(name string) string { return values[name] })
		if err != nil {
			return fmt.Errorf("%s/nfpm.yaml: %w", packageFolder, err)
		}
		info, err := config.Get(format)
		if err != nil {
			return err
		}
		if err := writePackage(o, dir, format, info); err != nil {
			return fmt.Errorf("writing the %s for %s: %w", format, b.arch, err)
		}
	}
	return nil
}

func writePackage(o options, dir, format string, info *nfpm.Info) error {
	for _, script := range []*string{&info.Scripts.PreInstall, &info.Scripts.PostInstall, &info.Scripts.PreRemove, &info.Scripts.PostRemove} {
		if *script != "" {
			*script = filepath.Join(o.source, *script)
		}
	}
	for _, c := range info.Contents { // not those of this checkout
		if c.FileInfo != nil {
			c.FileInfo.MTime = o.created
		}
	}
	info.MTime = o.created
	if format == "deb" {
		info.License = "" // no field of a deb, which has it in its copyright file
	}
	info = nfpm.WithDefaults(info)
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := packager.Package(info, &out); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, packager.ConventionalFileName(info)), out.Bytes(), 0o644)
}

// writeStage writes the files of the packages that are not in the tree as they are.
func writeStage(o options, stage string, b build) error {
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return err
	}
	unit, err := os.ReadFile(filepath.Join(o.source, "config/deploy/nodegate.service"))
	if err != nil {
		return err
	}
	notices, err := b.notices()
	if err != nil {
		return err
	}
	compressed := map[string][]byte{"THIRD-PARTY-NOTICES": notices, "sbom.spdx.json": b.sbom, "changelog": debianChangelog(o)}
	for _, page := range []string{"nodegate.8", "nodegate-runc.8"} {
		if compressed[page], err = os.ReadFile(filepath.Join(o.source, packageFolder, page)); err != nil {
			return err
		}
	}
	staged := map[string][]byte{"nodegate.service": bytes.ReplaceAll(unit, []byte("=/usr/local/bin/"), []byte("=/usr/bin/"))}
	for name, text := range compressed {
		if staged[name+".gz"], err = gzipped(text, gzip.BestCompression); err != nil {
			return err
		}
	}
	for _, p := range b.programs {
		if staged[p.name], err = os.ReadFile(p.path); err != nil {
			return err
		}
	}
	for name, text := range staged {
		if err := os.WriteFile(filepath.Join(stage, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// debianChangelog is the one entry of a package that no distribution has changed.
func debianChangelog(o options) []byte {
	return fmt.Appendf(nil, "nodegate (%s) unstable; urgency=medium\n\n  * Release %s: https://github.com/nodegate/nodegate/blob/main/CHANGELOG.md\n\n -- The nodegate authors <authors@nodegate.dev>  %s\n",
		packageVersion(o.version), o.version, o.created.Format(time.RFC1123Z))
}
