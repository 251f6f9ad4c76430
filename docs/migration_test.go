// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

var (
	block = regexp.MustCompile("(?ms)^```(toml|yaml)\n(.*?)^```")
	gets  = regexp.MustCompile(`^# gets: (.*)\n`)
)

// Each pod that migration.md shows gets what its first line says, by the next policy of
// its section, or else the last; one without such a line asks for nothing.
func TestMigrationGuide(t *testing.T) {
	shown := 0
	for section := range strings.SplitSeq(read(t, "migration.md"), "\n## ") {
		var waiting []string
		var last *policy.Policy
		check := func() {
			for _, pod := range waiting {
				checkPod(t, last, pod)
				shown++
			}
			waiting = nil
		}
		for _, m := range block.FindAllStringSubmatch(section, -1) {
			if m[1] == "yaml" {
				waiting = append(waiting, m[2])
				continue
			}
			c, err := config.Parse("migration.md", []byte(m[2]))
			if err != nil {
				t.Fatal(err)
			}
			last = c.Policy
			check()
		}
		if last == nil && len(waiting) > 0 {
			t.Fatalf("no policy in %q", section[:40])
		}
		check()
	}
	if shown != 6 {
		t.Errorf("%d pods are checked", shown)
	}
}

func checkPod(t *testing.T, p *policy.Policy, text string) {
	t.Helper()
	var pod struct {
		Metadata struct {
			Name, Namespace string
			Annotations     map[string]string
		}
		Spec struct {
			HostUsers  *bool `yaml:"hostUsers"`
			Containers []struct {
				Name      string
				Resources struct{ Limits map[string]int }
			}
			Handler string `yaml:"runtimeClassName"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &pod); err != nil {
		t.Fatal(err)
	}
	var want []string
	if m := gets.FindStringSubmatch(text); m != nil {
		want = strings.Split(m[1], ", ")
	}
	r := policy.Request{Namespace: pod.Metadata.Namespace, Pod: pod.Metadata.Name, Annotations: pod.Metadata.Annotations,
		Container: pod.Spec.Containers[0].Name, Handler: pod.Spec.Handler,
		Allotted: policy.Allotted{}, UserNamespace: policy.Is(pod.Spec.HostUsers != nil && !*pod.Spec.HostUsers)}
	for name := range pod.Spec.Containers[0].Resources.Limits {
		if profile, ok := strings.CutPrefix(name, policy.ResourceDomain); ok {
			r.Allotted[profile] = policy.Is([]string{"slot-1"})
		}
	}
	s, err := p.Select(&r)
	if err != nil || !slices.Equal(s.Profiles(), want) {
		t.Errorf("pod %q gets %q, not %q: %v", r.Pod, s.Profiles(), want, err)
	}
}
