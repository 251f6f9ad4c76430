// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/event"
)

const monitoring = "../../config/deploy/monitoring/"

// exposed is what /metrics says once each metric has a series.
func exposed(t *testing.T) string {
	t.Helper()
	s := testServer(t, nil)
	s.metrics.event(t.Context(), ended(event.Adjusted, "ci", "fuse"))
	s.metrics.event(t.Context(), ended(event.Refused, "ci"))
	_, text := get(s.handler(false), "/metrics")
	return text
}

var ownMetric = regexp.MustCompile(`nodegate_[a-z_]+`)

// series are the names that a query may use, of a text of /metrics.
func series(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)[{ ]`).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return names
}

// promtool is Debian's, from the package prometheus or from bin/.
func promtool(t *testing.T) string {
	t.Helper()
	if bin, err := filepath.Abs(filepath.Join(os.Getenv("NODEGATE_BIN"), "promtool")); err == nil {
		if _, err := os.Stat(bin); err == nil {
			return bin
		}
	}
	if bin, err := filepath.Abs("../../bin/promtool"); err == nil {
		if _, err := os.Stat(bin); err == nil {
			return bin
		}
	}
	bin, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") == "1":
		t.Fatal("there is no promtool: run make deps")
	default:
		t.Skip("there is no promtool: run make deps")
	}
	return bin
}

// Metrics are named and described as Prometheus' own linter wants it.
func TestPromtoolChecksMetrics(t *testing.T) {
	cmd := exec.Command(promtool(t), "check", "metrics")
	cmd.Stdin = strings.NewReader(exposed(t))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// Each alert is tested: when it fires, and that it does not otherwise.
func TestPromtoolTestsAlerts(t *testing.T) {
	cmd := exec.Command(promtool(t), "test", "rules", "alerts_test.yaml")
	cmd.Dir = monitoring
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	alerts, err := os.ReadFile(monitoring + "alerts.yaml")
	must(t, err)
	tests, err := os.ReadFile(monitoring + "alerts_test.yaml")
	must(t, err)
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(alerts), -1) {
		if !strings.Contains(string(tests), m[1]) {
			t.Errorf("%s is not tested", m[1])
		}
	}
}

// The dashboard and the alerts ask for metrics that there are.
func TestDashboardAndAlertsAskForWhatThereIs(t *testing.T) {
	have := series(exposed(t))
	have["nodegate_runtime_info"] = true // there once an agent has registered
	dashboard, err := os.ReadFile(monitoring + "dashboard.json")
	must(t, err)
	var d struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(dashboard, &d))
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("panel %d (%s) is malformed", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if !regexp.MustCompile(`(nodegate|process)_\w+`).MatchString(target.Expr) {
				t.Errorf("panel %q asks for nothing: %s", p.Title, target.Expr)
			}
		}
	}
	if len(ids) < 8 {
		t.Errorf("%d panels", len(ids))
	}
	alerts, err := os.ReadFile(monitoring + "alerts.yaml")
	must(t, err)
	for name, text := range map[string][]byte{"dashboard.json": dashboard, "alerts.yaml": alerts} {
		for _, metric := range ownMetric.FindAllString(string(text), -1) {
			if !have[metric] {
				t.Errorf("%s asks for %s, which there is not", name, metric)
			}
		}
	}
}

var update = flag.Bool("update", false, "write metrics.txt from what is exposed")

// metrics.txt has the metrics that there are, with their help, and docs/operate.md names no other.
func TestMetricsAreDocumented(t *testing.T) {
	const list = monitoring + "metrics.txt"
	text := exposed(t)
	helps := regexp.MustCompile(`(?m)^# (HELP|TYPE) nodegate_.*\n`).FindAllString(text, -1)
	if len(helps) < 30 {
		t.Fatalf("%d lines about metrics", len(helps))
	}
	want := strings.Join(helps, "")
	if *update {
		must(t, os.WriteFile(list, []byte(want), 0o644))
	} else if have, err := os.ReadFile(list); err != nil || string(have) != want {
		t.Errorf("%s is not what is exposed: run this test with -update (%v)", list, err)
	}
	page, err := os.ReadFile("../../docs/operate.md")
	must(t, err)
	for _, metric := range ownMetric.FindAllString(string(page), -1) {
		if !series(text)[metric] && metric != "nodegate_runtime_info" {
			t.Errorf("docs/operate.md names %s, which there is not", metric)
		}
	}
}
