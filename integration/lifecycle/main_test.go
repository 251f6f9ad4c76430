// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package lifecycle tests agents that start, reload, restart, hang, die and are replaced while
// containers come and go, and what they say of those.
package lifecycle

import (
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
)

func TestMain(m *testing.M) { it.Main(m) }
