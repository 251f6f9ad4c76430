// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package runtimes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/plugin/change"
)

// Since says which releases of a runtime have all of some features, the newest
// first: "2.1 or later, or 1.7.30 or a later 1.7". It is "" if none has.
func Since(name string, all change.Features) string {
	var spans []string
	rows := Rows(name)
	for i := 0; i < len(rows); i++ {
		if !rows[i].Features.Have(all) {
			continue
		}
		from := i
		for i+1 < len(rows) && rows[i+1].Features.Have(all) {
			i++
		}
		last := rows[i].Since
		switch {
		case i == len(rows)-1:
			spans = append(spans, fmt.Sprintf("%s or later", rows[from].Since))
		case last.sameLine(rows[from].Since):
			spans = append(spans, fmt.Sprintf("%s or a later %d.%d", rows[from].Since, last[0], last[1]))
		default:
			spans = append(spans, fmt.Sprintf("%s to %d.%d", rows[from].Since, last[0], last[1]))
		}
	}
	slices.Reverse(spans)
	return strings.Join(spans, ", or ")
}

// Use says which releases to use for some features, for a refusal: "use
// containerd 2.3 or later". Of CRI-O it speaks to whom runs that.
func (r Runtime) Use(all change.Features) string {
	name := Containerd
	if r.Name == CRIO && Since(CRIO, all) != "" {
		name = CRIO
	}
	since := Since(name, all)
	if since == "" {
		return ""
	}
	return "use " + name + " " + since
}
