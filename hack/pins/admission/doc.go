// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package admission evaluates what config/admission renders with the CEL of Kubernetes' API
// server, and holds the answers to the engine's. It is a module of its own, so that the
// product links no API server; there is nothing in it but tests.
package admission
