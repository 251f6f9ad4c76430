// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
	rendered "github.com/nodegate/nodegate/config/admission"
)

// data are the lines of the objects that a policy's data is in.
func data(objects string) string {
	_, rest, _ := strings.Cut(objects, "    - name: names\n")
	text, _, _ := strings.Cut(rest, "    # The pod.")
	for line := range strings.SplitSeq(objects, "\n") {
		if strings.Contains(line, "hostUsers.orValue(true) && ") {
			text += line
		}
	}
	return text
}

// The chart's templates make of a policy's text what config/admission makes of the
// compiled policy.
func TestChartMakesTheSame(t *testing.T) {
	grants := 0
	for seed := range uint64(4) {
		text := newRandom(seed).grants(60)
		c, err := config.Parse("config.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		made, err := rendered.Render(rendered.DataOf(c.Policy.Conditions()), "nodegate-requests")
		if err != nil {
			t.Fatal(err)
		}
		have := chart(t, text)
		got, want := strings.SplitAfter(data(have), "},{"), strings.SplitAfter(data(made), "},{")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("the chart makes\n%s\nof the policy, and config/admission\n%s", got[min(i, len(got)-1)], want[min(i, len(want)-1)])
			}
		}
		grants += len(c.Grants)
	}
	t.Logf("%d grants are the same by both", grants)
}

// chart is what helm makes of the chart's admission with a policy, and further arguments.
func chart(t *testing.T, policy string, args ...string) string {
	t.Helper()
	helm := filepath.Join(cmp.Or(os.Getenv("NODEGATE_BIN"), "../../../bin"), "helm")
	if _, err := os.Stat(helm); err != nil {
		if os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "policy.toml")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(helm, append([]string{"template", "nodegate", "../../../config/deploy/chart", "--namespace", "nodegate",
		"--show-only", "templates/admission.yaml", "--set-file", "policy=" + file}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, policy)
	}
	return string(out)
}
