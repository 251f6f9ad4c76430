// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// suggest ends a message about a word that is none of the known ones: the one
// that was probably meant, or else all of them.
func suggest(word string, known []string) string {
	if near := policy.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "write one of " + strings.Join(known, ", ")
}
