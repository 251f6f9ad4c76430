// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/policy"
)

// warned is what the API server warns of, by the policy's own regular expressions: those
// that a key must match, must not, and of which one is enough.
func warned(t *testing.T) func(key string) bool {
	t.Helper()
	var text string
	for _, v := range find(render(t), "ValidatingAdmissionPolicy", "nodegate-misspelt").in("spec").list("variables") {
		if v["name"] == "annotations" {
			text = strings.Join(strings.Fields(fmt.Sprint(v["expression"])), " ")
		}
	}
	form := regexp.MustCompile(`^\S+\.filter\(key, key\.matches\(r'([^']+)'\) && !key\.matches\(r'([^']+)'\) && \( key\.matches\(r'([^']+)'\) \|\| ` +
		`key\.matches\(r'([^']+)'\) && key\.matches\(r'([^']+)'\) \|\| key\.matches\(r'([^']+)'\)\)\)$`).FindStringSubmatch(text)
	if form == nil {
		t.Fatalf("the expression has another form: %s", text)
	}
	var re []*regexp.Regexp // of the same syntax as CEL's
	for _, one := range form[1:] {
		re = append(re, regexp.MustCompile(one))
	}
	return func(key string) bool {
		return re[0].MatchString(key) && !re[1].MatchString(key) &&
			(re[2].MatchString(key) || re[3].MatchString(key) && re[4].MatchString(key) || re[5].MatchString(key))
	}
}

// Admission warns of no annotation that the agent would not name, and of all that differ
// in one place.
func TestMisspeltIsAsTheAgentSays(t *testing.T) {
	warns := warned(t)
	const seed = 15
	random := rand.New(rand.NewPCG(seed, seed))
	const letters = "abcdefilnoprstv.-/PN"
	letter := func() string { i := random.IntN(len(letters)); return letters[i : i+1] }
	named := func(key string) bool {
		what, _ := (&policy.Request{Annotations: map[string]string{key: "fuse"}}).NearMiss()
		return what != ""
	}
	both := 0
	for range 200_000 {
		key := []string{"profiles.nodegate.dev", "nodegate.dev/profiles", "profiles.nodegate.dev/pod", "prometheus.io/scrape", "nodegate.dev/nonce", "resource.nodegate.dev/kvm"}[random.IntN(6)]
		for range random.IntN(5) {
			i := random.IntN(len(key))
			key = key[:i] + []string{"", letter(), letter() + key[i:i+1], strings.ToUpper(key[i : i+1])}[random.IntN(4)] + key[i+1:]
			if key == "" {
				key = "p"
			}
		}
		if warns(key) {
			both++
			if !named(key) {
				t.Fatalf("admission warns of %q, and the agent does not name it", key)
			}
		}
	}
	if both < 10_000 {
		t.Errorf("%d were warned of", both)
	}
	const key = "profiles.nodegate.dev"
	for i := range len(key) {
		for what, typo := range map[string]string{"left out": key[:i] + key[i+1:], "another": key[:i] + "x" + key[i+1:], "one more": key[:i] + "x" + key[i:]} {
			if !warns(typo) || !warns(typo+"/pod") {
				t.Errorf("%s: no warning of %q", what, typo)
			}
		}
	}
	for _, good := range []string{key, key + "/pod", key + "/container.a", "resource.nodegate.dev/kvm", "nodegate.dev/nonce", "prometheus.io/scrape", "nodegate.example.com/owner"} {
		if warns(good) {
			t.Errorf("a warning of %q", good)
		}
	}
}

// Handlers beside others reach the installer, the agent and the cluster.
func TestChartWrapsRuntimes(t *testing.T) {
	all := render(t, "--set", "nri.runtime.patchConfig=true,nri.runtime.wrap={nvidia,kata-qemu}")
	args := fmt.Sprint(pods(all)["DaemonSet/nodegate"].list("initContainers")[0]["args"])
	for _, name := range []string{"nvidia", "kata-qemu"} {
		if class := find(all, "RuntimeClass", "nodegate-"+name); class["handler"] != "nodegate-"+name {
			t.Errorf("RuntimeClass: %v", class)
		}
		if !strings.Contains(args, "--wrap-runtime="+name) {
			t.Errorf("the installer: %s", args)
		}
	}
	for set, want := range map[string]string{
		"nri.runtime.patchConfig=true":                           "[nodegate]",
		"nri.runtime.patchConfig=true,nri.runtime.wrap={nvidia}": "[nodegate nodegate-nvidia]",
		defaultRuntime + ",nri.runtime.wrap={nvidia}":            "[ nodegate nodegate-nvidia]",
	} {
		if have := fmt.Sprint(settings(t, "--set", set).Runtime.Handlers); have != want {
			t.Errorf("%s: %s, want %s", set, have, want)
		}
	}
	for set, want := range map[string]string{
		"nri.runtime.wrap={nvidia}":                                  "since nri.runtime.wrap is set",
		"nri.runtime.patchConfig=true,nri.runtime.wrap={Nvidia GPU}": "the name of a runtime handler",
	} {
		if _, err := template(t, "--set", set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", set, err)
		}
	}
}
