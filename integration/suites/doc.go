// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package suites runs runc's own tests twice, with runc and with nodegate-runc before it: a
// test that passes with runc alone has to pass with the wrapper too. They take longer than
// make test may: make suites.
package suites
