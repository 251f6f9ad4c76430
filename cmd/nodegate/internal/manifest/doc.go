// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package manifest reads Kubernetes manifests: YAML or JSON in, the pods that
// they describe out, as far as a policy can see them.
//
// It knows the fields that matter to a policy and lets the others pass. What
// it cannot read is a [Problem] with file, line and what to write instead, and
// costs only its own document. It asks nothing of a cluster or of the node.
package manifest
