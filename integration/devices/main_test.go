// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package devices tests what a container gets, and what it is refused: devices, shadow nodes,
// sysctls, seccomp, and requests written for other tools.
package devices

import (
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

func TestMain(m *testing.M) { it.Main(m) }
