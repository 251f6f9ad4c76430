// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package plugin is nodegate's agent: the NRI plugin.
//
// It translates what the runtime tells into facts, asks the
// engine (package policy), lets the node do its part (package host), leaves a
// decision record (package record), and translates the adjustment into NRI's
// words. It decides nothing itself. It is the only package that knows NRI.
package plugin
