// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// release is containerd's version as far as its configuration depends on it.
type release struct{ major, minor int }

func (r release) before(major, minor int) bool {
	return r.major < major || r.major == major && r.minor < minor
}

func (r release) String() string { return fmt.Sprintf("%d.%d", r.major, r.minor) }

// configVersion is the newest format of the configuration that the release reads.
func (r release) configVersion() int64 {
	switch {
	case r.before(2, 0):
		return 2
	case r.before(2, 3):
		return 3
	}
	return 4
}

// mergesImports is false where an import replaces the whole table of a plugin.
func (r release) mergesImports() bool { return !r.before(2, 0) }

// hasValidator is about NRI 0.10.
func (r release) hasValidator() bool { return !r.before(2, 2) }

// Distributions add to a version: "1.7.24~ds1", "v2.1.5-k3s1".
var versionPattern = regexp.MustCompile(`^(?:containerd \S+ )?v?(\d{1,4})\.(\d{1,4})(?:[^\d].*)?$`)

// parseRelease reads a version, or the answer to containerd --version.
func parseRelease(s string) (release, error) {
	m := versionPattern.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return release{}, fmt.Errorf(`%.80q is not a version of containerd: write for example --containerd-version 2.2.1`, strings.TrimSpace(s))
	}
	r := release{}
	r.major, _ = strconv.Atoi(m[1]) // four digits at most
	r.minor, _ = strconv.Atoi(m[2])
	switch {
	case r.before(1, 7):
		return r, fmt.Errorf("containerd %s is not supported, for it has no NRI that plugins can connect to: upgrade it to 1.7 or later", r)
	case r.major > 2:
		return r, fmt.Errorf("containerd %s is not known: 1.7 and 2.x are", r)
	}
	return r, nil
}

// versionLimit is for a node that has to read the program from a busy disk first.
const versionLimit = time.Minute

// containerdVersion asks the node's containerd.
func (t Tree) containerdVersion(ctx context.Context, programs []string) (release, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, versionLimit, fmt.Errorf("no answer within %v", versionLimit))
	defer cancel()
	cmd, err := t.command(ctx, programs, "--version")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return release{}, fmt.Errorf("there is no containerd in %s: say which it is by --containerd-version", strings.Join(programs, ", "))
	case err != nil:
		return release{}, fmt.Errorf("looking for containerd: %w: or say its version by --containerd-version", err)
	}
	out, err := cmd.Output()
	if ctx.Err() != nil {
		err = context.Cause(ctx) // not that it was killed
	}
	if err != nil {
		return release{}, fmt.Errorf("asking %s for its version: %w: say it by --containerd-version", cmd.Path, why(err))
	}
	r, err := parseRelease(string(out))
	if err != nil {
		return r, fmt.Errorf("asking %s for its version: %w", cmd.Args[0], err)
	}
	return r, nil
}
