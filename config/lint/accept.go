// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"slices"
	"strings"
)

// acceptance begins a comment that accepts findings of a code, of its own line or the
// next: # nodegate:accept CODE REASON.
const acceptance = "nodegate:accept"

// accept marks what comments in the policy accept. One that accepts nothing is a
// finding: what it was for is gone, or was never there.
func (l *linter) accept() {
	for _, c := range l.config.Comments(acceptance) {
		rest := strings.TrimPrefix(c.Text, acceptance)
		if rest != "" && !strings.ContainsAny(rest[:1], " \t") {
			continue // another word
		}
		code, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
		known := slices.ContainsFunc(All, func(k Kind) bool { return k.Code == code })
		what := fmt.Sprintf("the comment accepts %q", code)
		switch {
		case !known:
			l.add("bad_accept", c.Place, what+", which is not a code", "write a code as nodegate check shows it, and a reason")
			continue
		case strings.TrimSpace(reason) == "":
			l.add("bad_accept", c.Place, what+" without a reason", fmt.Sprintf("write # %s %s and why that is well", acceptance, code))
			continue
		}
		used := false
		for i := range l.found {
			if f := &l.found[i]; f.File == c.File && c.First <= f.Line && f.Line <= c.Last && f.Code == code {
				f.Accepted, used = strings.TrimSpace(reason), true
			}
		}
		if !used {
			l.add("unused_accept", c.Place, fmt.Sprintf("%s, and line %d has no such finding", what, c.First), "delete it")
		}
	}
}
