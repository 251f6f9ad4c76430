// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package annotations reads what other tools' annotations hold, where that takes a
// parser: lists of devices, in YAML. It is pure, and knows what is written but not
// what it is worth: whether a container gets a device is for plugin/policy.
//
// The text is a pod author's. So what YAML can do beyond a plain list of mappings
// (anchors, aliases, tags, merge keys, a second document) is refused, and so is
// every key that is not known: nothing is passed over without a word.
package annotations
