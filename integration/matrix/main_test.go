// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package matrix runs the same pods on every containerd and writes the support matrix.
package matrix

import (
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

func TestMain(m *testing.M) { it.Main(m) }
