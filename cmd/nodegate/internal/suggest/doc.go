// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package suggest reads from manifests what their containers ask for, and
// proposes the profiles, the grants and the changes of the manifests by which
// they get it without being privileged.
//
// A proposal is read and not observed: what an image needs and its manifest
// does not say stays unknown and is not guessed. Whether a proposal holds is
// decided elsewhere, by the engine. The package reads no file.
package suggest
