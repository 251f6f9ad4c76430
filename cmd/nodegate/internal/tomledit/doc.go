// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package tomledit sets keys of a TOML document in place: every byte that it does
// not have to change stays, comments included, and each change can be taken back
// alone, also after others have edited the rest.
//
// It refuses what it cannot change so: the caller then says what to write by hand.
// It works on bytes and knows neither files nor containerd.
package tomledit
