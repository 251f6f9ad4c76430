// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"testing"

	"github.com/nodegate/nodegate/plugin/change"
)

// Each kind of change that the wrapper can deliver has an applier, and only such a kind.
func TestAppliers(t *testing.T) {
	for _, k := range change.Kinds() {
		if (appliers[k] != nil) != k.Wrapper {
			t.Errorf("%s (%s) has an applier: %t", k.Key, k.Field, appliers[k] != nil)
		}
	}
}
