// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package it is what the integration tests share: an agent on a node, pods that are
// removed at the test's end, questions to their containers, and the wrapper. What a node
// is lives in package node; what one subject alone needs lives with its tests.
package it
