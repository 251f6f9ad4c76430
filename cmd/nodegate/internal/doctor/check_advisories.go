// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"strings"
)

// checkAdvisories compares the versions of containerd and runc with the tables of known
// faults. Of other runtimes there are none.
func checkAdvisories(f *Facts) []Finding {
	var out []Finding
	if f.Runtime.OK() && f.Runtime.Value.Name == "containerd" {
		out = append(out, advise(f, "containerd", f.Runtime.Value.Version))
	}
	if version, isRunc := strings.CutPrefix(f.OCIRuntime.Value.Version, "runc version "); f.OCIRuntime.OK() && isRunc {
		out = append(out, advise(f, "runc", version))
	}
	return out
}

func advise(f *Facts, of, version string) Finding {
	out := Finding{Subject: of, Status: OK, Found: version + ": none of the list of " + advisoriesAsOf}
	v, ok := parseRelease(version)
	if !ok {
		out.Status, out.Found = Unknown, fmt.Sprintf("unknown: a version %q", version)
		return out
	}
	var wrong []string
	for _, e := range ended {
		if e.of == of && e.line == [2]int{v[0], v[1]} {
			wrong = append(wrong, fmt.Sprintf("the line %d.%d is without support since %s", v[0], v[1], e.since))
		}
	}
	for i := range advisories {
		if a := &advisories[i]; a.of == of && a.concerns(v) && (a.only == nil || a.only(f)) {
			wrong = append(wrong, a.id+": "+a.what)
		}
	}
	if len(wrong) > 0 {
		out.Status, out.Found = Warning, version+": "+strings.Join(wrong, "; ")
		out.Remedy = "use " + unaffected[of] + ", or a package of a distribution that mends it"
	}
	return out
}

// concerns reports whether a release has the fault.
func (a *advisory) concerns(v release) bool {
	line := [2]int{v[0], v[1]}
	if before(line, [2]int{a.since[0], a.since[1]}) {
		return false
	}
	for _, fixed := range a.fixed {
		if line == [2]int{fixed[0], fixed[1]} {
			return v[2] < fixed[2]
		}
	}
	last := a.fixed[len(a.fixed)-1]
	return before(line, [2]int{last[0], last[1]})
}

func before(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

// parseRelease reads a version to which a distribution may have added something.
func parseRelease(s string) (v release, ok bool) {
	n, _ := fmt.Sscanf(strings.TrimPrefix(s, "v"), "%d.%d.%d", &v[0], &v[1], &v[2])
	return v, n >= 2
}
