// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package plugin

const raceEnabled = false
