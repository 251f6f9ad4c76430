// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suites

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

// inPin runs go in a folder of hack/pins, and returns what it prints.
func inPin(t *testing.T, pin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Stderr = "../../hack/pins/"+pin, t.Output()
	cgo := "0"
	if pin == "runc" { // its seccomp is C
		cgo = "1"
	}
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED="+cgo, "GOWORK=off", "GOFLAGS=-mod=readonly")
	out, err := cmd.Output()
	it.Must(t, err)
	return strings.TrimSpace(string(out))
}
