// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package install puts nodegate on a node and takes it off again: programs, a first
// policy, the wrapper's configuration, a systemd unit, and what containerd has to
// know. A node is looked at first ([Look]), then a list of file changes is planned,
// which does nothing yet, and then all of them are carried out or none.
//
// What was changed is written down in a manifest, so that it can be undone byte for
// byte. The package starts and restarts nothing; that is the command's part.
package install
