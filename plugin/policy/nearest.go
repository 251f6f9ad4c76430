// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
)

// maxNear bounds the names that are compared, in bytes: those of Kubernetes are
// shorter, and the rows below are arrays.
const maxNear = 64

// Nearest returns which of the names was probably meant by one that is none of them;
// "" if none is near. Short names are near to everything, so they need a closer look.
func Nearest(name string, names []string) string {
	best, least := "", min(2, len(name)/3)+1
	for _, have := range names {
		if n := edits(strings.ToLower(name), strings.ToLower(have), least); n < least {
			best, least = have, n
		}
	}
	return best
}

// edits counts the letters that have to be put in, left out, replaced or swapped with
// their neighbour to make b of a, up to most. It allocates nothing.
func edits(a, b string, most int) int {
	if len(a) > maxNear || len(b) > maxNear || len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	var rows [3][maxNear + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		now, last, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return min(rows[len(a)%3][len(b)], most)
}

// NearMiss returns an annotation or a label by which a pod was meant to ask for a profile,
// and which asks for nothing; and what to write. "" for none. It allocates nothing for
// pods that have none.
func (r *Request) NearMiss() (what, meant string) {
	if key := least(r.Annotations, nearMiss); key != "" {
		return fmt.Sprintf("annotation %q", clip(key, maxName)), wellWritten(key)
	}
	if key := least(r.Labels, isRequest); key != "" {
		return fmt.Sprintf("label %q", clip(key, maxName)), "it as an annotation"
	}
	return "", ""
}

// least returns the first key, in the order of letters, for which is holds.
func least(m map[string]string, is func(key string) bool) (first string) {
	for key := range m {
		if (first == "" || key < first) && is(key) {
			first = key
		}
	}
	return first
}

func isRequest(key string) bool {
	return key == AnnotationBare || strings.HasPrefix(key, AnnotationBare+"/")
}

// wellWritten is the key that was meant by one that is nearly ours.
func wellWritten(key string) string {
	if _, rest, ok := strings.Cut(key, "/"); ok && (rest == "pod" || strings.HasPrefix(rest, "container.")) {
		return AnnotationBare + "/" + rest
	}
	return AnnotationBare
}

// nearMiss reports whether a key is meant to be a request and is none. One with the
// right domain is not: it is refused if it means nothing.
func nearMiss(key string) bool {
	const own = "nodegate"
	if !foldContains(key, own) && (len(key) < 4 || !strings.EqualFold(key[:4], "prof")) {
		return false // as nearly all are
	}
	key = strings.ToLower(key)
	domain, name, _ := strings.Cut(key, "/")
	switch domain {
	case AnnotationBare, "resource.nodegate.dev":
		return false
	case "nodegate.dev":
		return name != "nonce" // which the agent writes itself
	}
	if edits(domain, AnnotationBare, 4) < 4 {
		return true
	}
	return strings.Contains(domain, own) && strings.Contains(key, "profile")
}

// foldContains reports whether a text has a word, in whatever case.
func foldContains(text, word string) bool {
	for i := range len(text) - len(word) + 1 {
		if strings.EqualFold(text[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
