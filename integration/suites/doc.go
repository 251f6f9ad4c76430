// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package suites runs what takes longer than make test may: others' own tests, runc's, those
// of the CRI and Kubernetes' own of nodes, without and with nodegate in between (make
// suites), where a test that passes bare has to pass then too; and kinds of nodes beside
// those of package realnodes (make test-machines-all).
package suites
