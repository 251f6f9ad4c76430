// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// suggest ends a message about a word that is none of the known ones: the one
// that was probably meant, or else all of them.
func suggest(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "write one of " + strings.Join(known, ", ")
}

// nearest returns the known word that a few slips of the finger lead to, or "".
func nearest(word string, known []string) string {
	best, most := "", 1+len(word)/4
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if d <= most && d < len(k) {
			best, most = k, d-1
		}
	}
	return best
}

// distance is the Levenshtein distance, in bytes.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // nothing that long is a slip
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
