// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package suites runs the tests of others with nodegate in between, beside the same without
// it: a test that passes bare has to pass through it too. They take longer than make test
// may: make suites.
package suites
