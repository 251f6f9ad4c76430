// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package oci is the wrapper: it changes an OCI bundle, and is the run of
// nodegate-runc, which is called in the place of the OCI runtime.
//
// It carries out a [change.Adjustment] that the agent left for it in a
// decision record, and knows no policy: there is one thing that it decides by
// itself, the clamp of ping_group_range in a pod sandbox.
//
// A document is never decoded and written again: what the runtime-spec of
// tomorrow holds would be lost. It is opened only where something changes, and
// every byte elsewhere stays (value.go). What is read goes by the rules of
// encoding/json, which runc uses; a document that could be read in two ways at
// a place that matters here is refused.
//
// The program runs at every container operation, so the package links next to
// nothing and does its work by reading each file once.
package oci
