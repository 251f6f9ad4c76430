// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// rootTar is the file of a root in its folder.
const rootTar = "root.tar"

// root is a Debian system of packages alone, as a tar archive.
func (b *builder) root(ctx context.Context) (string, error) {
	s := b.system
	options := []string{"--quiet", "--mode=root", "--variant=minbase", "--skip=output/dev", "--architectures=" + s.Arch, "--dpkgopt=force-unsafe-io"}
	for _, path := range []string{"doc", "info", "locale", "man"} {
		options = append(options, "--dpkgopt=path-exclude=/usr/share/"+path+"/*")
	}
	options = append(options, "--include="+strings.Join(s.packages(), ","))
	dir, err := b.cache.entry("root-"+s.root(), b.rootKey(options), func(dir string) error {
		b.say("Debian %s for %s: its packages", s.Suite, s.Arch)
		sources, err := aptSources(ctx, s.Suite)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "mmdebstrap", append(options, s.Suite, filepath.Join(dir, rootTar), "-")...)
		// The kernel's package then makes no initial RAM disk, which nobody would boot.
		cmd.Env = append(cmd.Environ(), "INITRD=No")
		cmd.Stdin = strings.NewReader(sources)
		return output(cmd)
	})
	return filepath.Join(dir, rootTar), err
}

func (b *builder) rootKey(options []string) string {
	return digest(append(options, b.system.Suite)...)
}

// aptSources are the lines for a release of Debian, from where this machine has its own
// packages.
func aptSources(ctx context.Context, suite string) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL) $(ORIGIN)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("asking apt where packages come from: %w", err)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "Debian" {
			continue
		}
		release := suite
		if f[1] == "Debian-Security" {
			release += "-security"
		}
		lines = append(lines, fmt.Sprintf("deb %s %s main", f[0], release))
	}
	if len(lines) == 0 {
		return "", errors.New("apt knows no packages of Debian's here: use a Debian machine, and run apt-get update")
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n") + "\n", nil
}
