// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package systemd tests containers that are systems: systemd as PID 1, cgroups that they
// manage, and nodes in containers.
package systemd

import (
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

func TestMain(m *testing.M) { it.Main(m) }
