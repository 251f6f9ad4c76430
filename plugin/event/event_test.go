// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"os/exec"
	"strings"
	"testing"
)

// Observers link no NRI, and the wrapper links no engine: a program pays for
// what it links each time it starts.
func TestLinks(t *testing.T) {
	for pkg, not := range map[string]string{
		"../serve": "github.com/containerd/nri", "../auditlog": "github.com/containerd/nri", ".": "github.com/containerd/nri",
		"../../cmd/nodegate-runc": "github.com/nodegate/nodegate/plugin/policy",
	} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(dep, not) {
				t.Errorf("%s links %s", pkg, dep)
			}
		}
	}
}
