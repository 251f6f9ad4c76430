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

Each cell is what a real pod of ` + "`TestMatrix`" + ` answered. **yes**: all that the policy says was found in
the running container, in PID 1 and in an exec'd process. A number is the reason below why it does not run.
A version's column is runc with what NRI delivers; **wrapper** is nodegate-runc, on all versions but those
that the cell names.

containerd 2.3 has long support, until April 2028. 1.7, 2.1 (not run here) and 2.2 have ended.
`

// What differs from cell to cell in otherwise equal sentences, and what all of them say.
var (
	versionInRefusal = regexp.MustCompile(`containerd v[0-9.]+ \(NRI [0-9.]+\)`)
	podInRefusal     = regexp.MustCompile(`container "main" of pod team/[a-z-]+`)
	adviceInRefusal  = regexp.MustCompile(`(: (set|drop|use) | \(granted there: ).*$`)
	changeInRefusal  = regexp.MustCompile(`^would get .*(, which containerd … cannot)`) // the row's name says which
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
	out.WriteString("\n## Reasons\n\nWhat `kubectl describe pod` shows, without the container and the advice.\n\n")
	for i, note := range notes {
		fmt.Fprintf(&out, "%d. %s\n", i+1, note)
	}
	return out.String() + tables.MachinesSection() + tables.KubernetesSection() + tables.CRIOSection()
}

// table shows what was seen with one version of cgroups, and adds to the notes.
func table(seen map[seenCell]string, v2 bool, notes *[]string) string {
	var out strings.Builder
	head, line, levels := "| containerd |", "|---|", "| NRI's version |"
	for _, version := range node.Containerds() {
		head += fmt.Sprintf(" %s |", version)
		line += "---|"
		levels += fmt.Sprintf(" %s |", matrixLevels[version].text)
	}
	fmt.Fprintf(&out, "%s wrapper |\n%s---|\n%s |\n", head, line, levels)
	var names []string // of cases with the same answers
	var answers string
	for _, c := range matrixCases() {
		var row strings.Builder
		for _, version := range node.Containerds() {
			fmt.Fprintf(&row, " %s |", cell(seen[seenCell{v2, version, "", c.pod}], notes))
		}
		fmt.Fprintf(&row, " %s |\n", wrapperCell(seen, v2, c.pod, notes))
		if row.String() != answers && names != nil {
			fmt.Fprintf(&out, "| %s |%s", strings.Join(names, "; "), answers)
			names = nil
		}
		names, answers = append(names, c.name), row.String()
	}
	fmt.Fprintf(&out, "| %s |%s", strings.Join(names, "; "), answers)
	return out.String()
}

// wrapperCell is the answer under the wrapper: that of the newest version, and what
// differs from it.
func wrapperCell(seen map[seenCell]string, v2 bool, pod string, notes *[]string) string {
	var out string
	for i, version := range node.Containerds() {
		switch answer := cell(seen[seenCell{v2, version, it.Wrapped, pod}], notes); {
		case i == 0:
			out = answer
		case answer != strings.SplitN(out, ";", 2)[0]:
			out += fmt.Sprintf("; %s: %s", version, answer)
		}
	}
	return out
}

// cell is an answer in a word, or the number of its reason.
func cell(answer string, notes *[]string) string {
	if answer == "yes" {
		return answer
	}
	reason := strings.TrimPrefix(answer, "refused: ")
	reason = strings.TrimPrefix(podInRefusal.ReplaceAllString(reason, ""), " ")
	reason = versionInRefusal.ReplaceAllString(reason, "containerd …")
	reason = adviceInRefusal.ReplaceAllString(reason, "")
	reason = changeInRefusal.ReplaceAllString(reason, "would get …$1")
	i := slices.Index(*notes, reason)
	if i < 0 {
		i = len(*notes)
		*notes = append(*notes, reason)
	}
	return fmt.Sprintf("(%d)", i+1)
}

// Every containerd that is pinned has its column.
func TestMatrixVersions(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(matrixLevels)), slices.Sorted(slices.Values(node.Containerds())); !slices.Equal(got, want) {
		t.Errorf("the matrix knows %q, the node %q", got, want)
	}
}
