// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package install tests installation and diagnosis of a node.
package install

import (
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

func TestMain(m *testing.M) { it.Main(m) }
