// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/hack/tables"
	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

var update = flag.Bool("update", false, "write docs/support-matrix.md from what is seen")

const matrixDocument = "../../docs/support-matrix.md"

const matrixHead = `<!-- Written by TestMatrix: go test ./integration/matrix -update -->

# Support matrix

One policy, the same pods, every containerd: each cell is what a real pod of the test
` + "`TestMatrix`" + ` answered or how it was refused. The test runs with every change and fails
if an answer differs from what is promised or from this page.

- **NRI**: the pod has the default runtime handler, plain runc. The agent changes what
  the containerd's NRI carries, and refuses the rest by name.
- **wrapper**: the pod's runtime handler has nodegate-runc as its BinaryName, which
  carries the rest.
- **yes**: all that the policy says was found in the running container, in PID 1 and in an
  exec'd process. Numbers are the reasons below why it does not run.

containerd 2.3 is the line with long support, until April 2028. Past their end are 1.7
(September 2026), 2.1 (July 2026, not run here) and 2.2 (6 November 2026): what is below of
them is for nodes that have them still.
`

// What differs from cell to cell in otherwise equal sentences.
var (
	versionInRefusal = regexp.MustCompile(`containerd v[0-9.]+ \(NRI [0-9.]+\)`)
	podInRefusal     = regexp.MustCompile(`of pod team/[a-z-]+`)
)

// checkDocument compares the document with what was seen, which is what was promised, or
// writes it.
func checkDocument(t *testing.T, seen map[seenCell]string) {
	t.Helper()
	got := document(seen)
	if *update {
		if err := os.WriteFile(matrixDocument, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(matrixDocument)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what was seen: run this test with -update. Seen:\n%s", matrixDocument, got)
	}
}

func document(seen map[seenCell]string) string {
	var out strings.Builder
	out.WriteString(matrixHead)
	var notes []string
	v1, v2 := table(seen, false, &notes), table(seen, true, &notes)
	if v1 == v2 {
		fmt.Fprintf(&out, "\n## cgroup v1 and v2\n\nThe answers are the same with both.\n\n%s", v1)
	} else {
		fmt.Fprintf(&out, "\n## cgroup v1\n\n%s\n## cgroup v2\n\n%s", v1, v2)
	}
	out.WriteString("\n## Reasons\n\nAs `kubectl describe pod` shows them, after the runtime's own words.\n\n")
	for i, note := range notes {
		fmt.Fprintf(&out, "%d. %s\n", i+1, note)
	}
	return out.String() + tables.CRIOSection()
}

// table shows what was seen with one version of cgroups, and adds to the notes.
func table(seen map[seenCell]string, v2 bool, notes *[]string) string {
	var out strings.Builder
	head, line := "| containerd |", "|---|"
	for _, version := range node.Containerds() {
		for _, handler := range []string{"NRI", "wrapper"} {
			head += fmt.Sprintf(" %s %s |", version, handler)
			line += "---|"
		}
	}
	fmt.Fprintf(&out, "%s\n%s\n| NRI's version |", head, line)
	for _, version := range node.Containerds() {
		fmt.Fprintf(&out, " %s | |", matrixLevels[version].text)
	}
	out.WriteString("\n")
	for _, c := range matrixCases() {
		fmt.Fprintf(&out, "| %s |", c.name)
		for _, version := range node.Containerds() {
			for _, handler := range []string{"", it.Wrapped} {
				fmt.Fprintf(&out, " %s |", cell(seen[seenCell{v2, version, handler, c.pod}], notes))
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

// cell is an answer in a word, with the number of its reason.
func cell(answer string, notes *[]string) string {
	if answer == "yes" {
		return answer
	}
	what, reason, ok := strings.Cut(answer, ": ")
	if !ok || what != "refused" {
		what, reason = "fails", answer
	}
	reason = podInRefusal.ReplaceAllString(versionInRefusal.ReplaceAllString(reason, "containerd …"), "of pod team/…")
	i := slices.Index(*notes, reason)
	if i < 0 {
		i = len(*notes)
		*notes = append(*notes, reason)
	}
	return fmt.Sprintf("%s (%d)", what, i+1)
}

// Every containerd that is pinned has its column.
func TestMatrixVersions(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(matrixLevels)), slices.Sorted(slices.Values(node.Containerds())); !slices.Equal(got, want) {
		t.Errorf("the matrix knows %q, the node %q", got, want)
	}
}
