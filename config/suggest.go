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

// distance is the optimal string alignment distance, in bytes: a letter left
// out, added, changed, or two swapped count one each.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // nothing that long is a slip
	}
	var before, row []int // two rows up, and one
	for i := range len(a) + 1 {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			if i == 0 {
				next[j] = j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
