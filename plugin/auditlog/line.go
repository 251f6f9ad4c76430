// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"encoding/json"
	"strings"

	"github.com/nodegate/nodegate/plugin/event"
)

// maxLine is what a pipe takes in one piece (PIPE_BUF), the line's end
// included: so lines of several writers do not mix there either.
const maxLine = 4096

// encode returns the line of an event. One that would be too long, as JSON
// may make six bytes of one, loses its list of changes, then most of its text.
func encode(o *event.Event) []byte {
	short := *o
	for _, shorten := range []func(){
		func() {},
		func() { short.Changes = []string{"too many to list"} },
		func() { short.Text, short.Asked, short.Remedy = head(short.Text, 200), head(short.Asked, 40), "" },
		func() {
			short.Profiles, short.Changes, short.Subject, short.Text, short.Asked = nil, nil, "", "", ""
			short.Namespace, short.Pod, short.Container = head(short.Namespace, 63), head(short.Pod, 63), head(short.Container, 63)
			short.PodID, short.ContainerID, short.Handler = head(short.PodID, 64), head(short.ContainerID, 64), head(short.Handler, 63)
		},
	} {
		shorten()
		if line, err := json.Marshal(&short); err == nil && len(line) < maxLine {
			return append(line, '\n')
		}
	}
	return []byte("{}\n") // cannot be: what is left is short
}

func head(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
