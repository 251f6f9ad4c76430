// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package containerd tells how a node runs its containerd: what the command line of a
// process says, and which file a distribution's containerd reads. It runs and changes
// nothing.
package containerd
