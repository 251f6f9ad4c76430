// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/hack/tables"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/tap"
	"github.com/nodegate/nodegate/integration/machines"
	"github.com/nodegate/nodegate/integration/machines/machinetest"
	"github.com/nodegate/nodegate/integration/node"
)

//go:embed testdata/images.sh
var imagesScript string

// Where the machine has runc's source tree, and nodegate-runc.
const (
	runcTree = "/root/runc"
	wrapper  = "/usr/local/bin/nodegate-runc"
)

// runcOfTheMachine is the one that every machine has.
const runcOfTheMachine = "/usr/local/sbin/runc"

// fileLimit bounds one file of tests: minutes under emulation.
const fileLimit = 40 * time.Minute

// runc's own integration tests on Debian with systemd and cgroup v2, each file bare and then
// through nodegate-runc: what passes bare passes. NODEGATE_SUITES_FILES chooses files by a
// regular expression, NODEGATE_SUITES_SYSTEMD=1 the systemd cgroup driver.
func TestRunc(t *testing.T) {
	s := &runcSuite{start(t, machines.Options{System: machines.Suites})}
	var total [2][]tap.Test
	var results []tables.Suite
	for _, file := range s.prepare() {
		bare, wrapped := s.compare(file)
		total[0], total[1] = append(total[0], bare...), append(total[1], wrapped...)
		results = append(results, tables.Suite{File: file, Bare: count(bare), Wrapped: count(wrapped)})
		// After each file: all of them take hours, and a run may be broken off.
		if machinetest.Update() && !t.Failed() {
			it.Must(t, os.WriteFile("../../hack/tables/runc.txt", []byte(tables.SuitesText(results)), 0o644))
		}
	}
	for i, name := range []string{"bare", "through nodegate-runc"} {
		t.Logf("%-22s %v of %d", name, count(total[i]), len(total[i]))
	}
	if tap.Count(total[0], tap.Passed) == 0 {
		t.Error("no test passes bare: this shows nothing")
	}
}

func count(tests []tap.Test) tables.Results {
	return tables.Results{Passed: tap.Count(tests, tap.Passed), Skipped: tap.Count(tests, tap.Skipped), Failed: tap.Count(tests, tap.Failed)}
}

// runcSuite is one run of it on a machine.
type runcSuite struct{ *machine }

// prepare puts the source tree with the programs that it builds, the images and
// nodegate-runc on the machine, and returns the files of tests.
func (s *runcSuite) prepare() (tests []string) {
	t := s.T
	t.Helper()
	source, helpers := buildHelpers(t)
	began := time.Now()
	s.unpack(filepath.Join(source, "tests"), runcTree+"/tests")
	s.unpack(helpers, runcTree+"/tests/cmd/_bin")
	// A Go module keeps no file's mode.
	s.sh("chmod 755 "+runcTree+"/tests/integration/*.sh", "")
	s.sh("sh -s "+runcTree+"/tests/integration/testdata", imagesScript)
	// All that the tests ask of go is the architecture.
	s.sh("cat >/usr/local/bin/go && chmod 755 /usr/local/bin/go", "#!/bin/sh\necho amd64\n")
	bin, err := node.BinDir()
	it.Must(t, err)
	it.Must(t, s.Copy(t.Context(), filepath.Join(bin, "nodegate-runc"), wrapper))
	s.sh("mkdir -p /etc/nodegate && cat >/etc/nodegate/runc.toml", fmt.Sprintf("version = 1\npath = %q\n", runcOfTheMachine))

	t.Logf("the machine is prepared after %.0f s", time.Since(began).Seconds())

	chosen, err := regexp.Compile(os.Getenv("NODEGATE_SUITES_FILES"))
	it.Must(t, err)
	all, err := filepath.Glob(filepath.Join(source, "tests/integration/*.bats"))
	it.Must(t, err)
	for _, path := range all {
		if name := filepath.Base(path); chosen.MatchString(name) {
			tests = append(tests, name)
		}
	}
	if len(tests) == 0 {
		t.Fatalf("no file of tests is chosen by %q", chosen)
	}
	return tests
}

// buildHelpers returns where the pinned runc's source is, and the programs of its tests.
func buildHelpers(t *testing.T) (source, helpers string) {
	t.Helper()
	helpers = t.TempDir()
	inPin(t, "runc", "build", "-trimpath", "-buildvcs=false", "-tags", "seccomp", "-o", helpers+"/", "github.com/opencontainers/runc/tests/cmd/...")
	return inPin(t, "runc", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runc"), helpers
}

// compare runs a file bare and wrapped. What differs is run once more, both ways: an
// emulated machine is slow, and some of the tests wait for a fixed time only.
func (s *runcSuite) compare(file string) (bare, wrapped []tap.Test) {
	began := time.Now()
	for range 2 {
		bare, wrapped = s.run(file, runcOfTheMachine), s.run(file, wrapper)
		worse := tap.Worse(bare, wrapped)
		if len(worse) == 0 {
			s.Logf("%-32s bare %v; wrapped %v    (%.0f s)", file, count(bare), count(wrapped), time.Since(began).Seconds())
			for _, test := range bare {
				if test.Result == tap.Failed {
					s.Logf("fails bare: %s\n%s", test.Name, test.Detail)
				}
			}
			return bare, wrapped
		}
		s.Logf("%s: worse through nodegate-runc:\n%s", file, strings.Join(worse, "\n"))
	}
	s.Errorf("%s: worse through nodegate-runc twice", file)
	return bare, wrapped
}

// run runs a file with one runtime.
func (s *runcSuite) run(file, runtime string) []tap.Test {
	ctx, cancel := context.WithTimeout(s.Context(), fileLimit)
	defer cancel()
	env := []string{"RUNC=" + runtime, "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if os.Getenv("NODEGATE_SUITES_SYSTEMD") != "" {
		env = append(env, "RUNC_USE_SYSTEMD=1")
	}
	var out bytes.Buffer
	// They run with a terminal, as on runc's own machines. It ends with 1 where a test
	// fails: what counts is in the output.
	_ = s.Stream(ctx, io.MultiWriter(&out, s.Output()), env, "sh", "-c",
		`script -qec "bats --tap $1 >/root/out 2>&1" /dev/null </dev/null >/dev/null; cat /root/out`, "sh", runcTree+"/tests/integration/"+file)
	tests, err := tap.Parse(out.String())
	if err != nil {
		s.Errorf("%s with %s: %v", file, runtime, err)
	}
	return tests
}
