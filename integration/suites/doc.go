// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package suites runs others' own tests twice, runc's and those of the CRI, without and with
// nodegate in between: a test that passes bare has to pass then too. They take longer than
// make test may: make suites.
package suites
