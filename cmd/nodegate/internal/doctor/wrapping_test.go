// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
)

// A program is the wrapper by what it was built from, whatever its name.
func TestWraps(t *testing.T) {
	h, err := host.New("/", "/dev/.udev/nodegate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	script := filepath.Join(t.TempDir(), "nodegate-runc")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec runc \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]policy.Known[bool]{
		"/bin/true": policy.Is(false), "/nowhere/nodegate-runc": policy.Is(false), "no-such-program": policy.Is(false), script: {},
	} {
		if got := Wraps(h, program); got != want {
			t.Errorf("%s: %+v, want %+v", program, got, want)
		}
	}
}
