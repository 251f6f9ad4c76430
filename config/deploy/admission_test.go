// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// granted returns the regular expression by which both admission policies go, "" if
// there are none.
func granted(t *testing.T, args ...string) string {
	t.Helper()
	found := map[string]string{}
	for _, o := range render(t, args...) {
		kind := fmt.Sprint(o["kind"])
		if !strings.HasSuffix(kind, "AdmissionPolicy") || regexp.MustCompile("-(size|misspelt|requests)$").MatchString(fmt.Sprint(o.in("metadata")["name"])) {
			continue
		}
		conditions := o.in("spec").list("matchConditions")
		if len(conditions) != 1 {
			t.Fatalf("%s has conditions %v", kind, conditions)
		}
		m := regexp.MustCompile(`^request\.namespace\.matches\(r'([^']*)'\)$`).FindStringSubmatch(fmt.Sprint(conditions[0]["expression"]))
		if m == nil {
			t.Fatalf("%s has condition %v", kind, conditions[0])
		}
		found[kind] = m[1]
	}
	if found["MutatingAdmissionPolicy"] != found["ValidatingAdmissionPolicy"] {
		t.Fatalf("the policies differ: %v", found)
	}
	return found["MutatingAdmissionPolicy"]
}

// Pods require the agent in those namespaces that the policy grants something: the
// globs of a policy and the regular expression match the same names.
func TestGrantedNamespaces(t *testing.T) {
	const seed = 6
	random := rand.New(rand.NewPCG(seed, seed))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var globs []string
	for len(globs) < 60 {
		glob := &strings.Builder{}
		for range 1 + random.IntN(5) {
			glob.WriteString(pick("a", "b", "-", "0", "*", "?", "[a-c]", "[^b]", "[ab0]", `\a`, `\*`, `\-`, `[\a-b]`, `[?-b]`, `[*a]`, "ci", `[\^a]`))
		}
		if _, err := path.Match(glob.String(), ""); err == nil {
			globs = append(globs, glob.String())
		}
	}
	var names []string
	for range 2000 {
		name := &strings.Builder{}
		for range 1 + random.IntN(5) {
			name.WriteString(pick("a", "b", "c", "-", "0", "9", "z", "ci"))
		}
		names = append(names, name.String())
	}
	// A rendering for each glob would take a minute, so all of them are alternatives of one.
	values, err := json.Marshal(map[string]any{"policyConfigMap": "x", "admission": map[string]any{"namespaces": globs}})
	must(t, err)
	name := filepath.Join(t.TempDir(), "values.json")
	must(t, os.WriteFile(name, values, 0o600))
	all := granted(t, "--values", name)
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(all, "^(?:"), ")$"), "|")
	matched := 0
	for _, part := range parts {
		re := regexp.MustCompile("^(?:" + part + ")$")
		// Which glob it was made from is not said, so one of them must agree on all names.
		agrees := false
		for _, glob := range globs {
			same := true
			for _, n := range names {
				ok, _ := path.Match(glob, n)
				same = same && ok == re.MatchString(n)
			}
			agrees = agrees || same
		}
		if !agrees {
			t.Errorf("%s matches as no glob does", part)
		}
	}
	re := regexp.MustCompile(all)
	for _, n := range names {
		want := false
		for _, glob := range globs {
			ok, _ := path.Match(glob, n)
			want = want || ok
		}
		if want {
			matched++
		}
		if re.MatchString(n) != want {
			t.Errorf("%q: got %v", n, !want)
		}
	}
	if len(parts) < 40 || matched == 0 || matched == len(names) {
		t.Errorf("%d alternatives, %d of %d names match", len(parts), matched, len(names))
	}
}

// Neither admission nor the wrapper as the default runtime holds those pods up without
// which no agent starts.
func TestExemptNamespaces(t *testing.T) {
	for set, want := range map[string][]any{
		"": {"kube-system", "nodegate"},
		"exemptNamespaces={kube-flannel,kube-system}": {"kube-system", "nodegate", "kube-flannel"},
	} {
		all := render(t, "--set-file", "policy="+file(t, granting), "--set", defaultRuntime, "--set", set)
		for _, kind := range []string{"MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"} {
			where := find(all, kind, "nodegate").in("spec").in("matchConstraints").in("namespaceSelector").list("matchExpressions")[0]
			if have := where["values"]; where["operator"] != "NotIn" || !reflect.DeepEqual(have, want) {
				t.Errorf("%s of %q: %v", kind, set, where)
			}
		}
		var have []any
		install := pods(all)["DaemonSet/nodegate"].list("initContainers")[0]
		for _, arg := range install["args"].([]any) {
			if name, ok := strings.CutPrefix(fmt.Sprint(arg), "--exempt-namespace="); ok {
				have = append(have, name)
			}
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("the installer of %q: %v", set, have)
		}
	}
	if _, err := template(t, "--set", "exemptNamespaces={ci-*}"); err == nil {
		t.Error("a glob is taken for a namespace's name")
	}
}

func TestAdmissionFollowsThePolicy(t *testing.T) {
	for _, tc := range []struct{ name, policy, set, want string }{
		{"a policy", granting, "", `^(?:ci|iot-.*)$`},
		{"no grants", "version = 1\n", "", ""},
		{"audit mode, which refuses nothing", strings.Replace(granting, "version = 1", "version = 1\nmode = \"audit\"", 1), "", ""},
		{"switched off", granting, "admission.enabled=false", ""},
		{"grants as an array", "version = 1\ngrants = [{ profiles = [\"fuse\"], namespaces = [\"b\", \"a\", \"b\"] }]\n", "", `^(?:a|b)$`},
		{"a ConfigMap", "", "policyConfigMap=x,admission.namespaces={ci,x-?}", `^(?:ci|x-.)$`},
	} {
		args := []string{"--set-file", "policy=" + file(t, tc.policy)}
		if tc.policy == "" {
			args = nil
		}
		if tc.set != "" {
			args = append(args, "--set", tc.set)
		}
		if have := granted(t, args...); have != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, have, tc.want)
		}
	}
}

// The API is that of the cluster. One without it gets the other policy alone, which then
// asks the pods' authors for the annotation.
func TestAdmissionAPI(t *testing.T) {
	const group = "admissionregistration.k8s.io/"
	for _, tc := range []struct {
		args         []string
		want, action string
	}{
		{nil, group + "v1", "Deny"},
		{[]string{"--kube-version", "1.35.0"}, "", "Warn"},
		{[]string{"--kube-version", "1.30.0", "--set", "admission.missingAnnotation=deny"}, "", "Deny"},
		{[]string{"--kube-version", "1.34.0", "--api-versions", group + "v1beta1/MutatingAdmissionPolicy"}, group + "v1beta1", "Deny"},
		{[]string{"--kube-version", "1.36.0", "--api-versions", "apps/v1/DaemonSet"}, "", "Warn"},
	} {
		all := render(t, append(tc.args, "--set-file", "policy="+file(t, granting))...)
		have := ""
		if o := find(all, "MutatingAdmissionPolicy", "nodegate"); o != nil {
			have = fmt.Sprint(o["apiVersion"])
		}
		if have != tc.want {
			t.Errorf("%v: got %q, want %q", tc.args, have, tc.want)
		}
		if actions := fmt.Sprint(find(all, "ValidatingAdmissionPolicyBinding", "nodegate").in("spec")["validationActions"]); actions != "["+tc.action+"]" {
			t.Errorf("%v: %s", tc.args, actions)
		}
		message := fmt.Sprint(find(all, "ValidatingAdmissionPolicy", "nodegate").in("spec").list("validations")[0]["messageExpression"])
		if asked := strings.Contains(message, `write required-plugins.noderesource.dev: \'["nodegate"]\'`); asked != (tc.want == "") {
			t.Errorf("%v: %s", tc.args, message)
		}
		// What makes pods is warned of there, whatever is done with the pods.
		if o := find(all, "ValidatingAdmissionPolicyBinding", "nodegate-templates"); (o != nil) != (tc.want == "") || o != nil && fmt.Sprint(o.in("spec")["validationActions"]) != "[Warn]" {
			t.Errorf("%v: %v", tc.args, o)
		}
	}
}

// Requests are judged by what the agents go by, and only then.
func TestAdmissionOfRequests(t *testing.T) {
	long, err := json.Marshal(strings.Split(strings.Repeat("a-namespace-with-a-long-name,", 4999)+"z", ","))
	must(t, err)
	for _, tc := range []struct{ name, policy, set, want string }{
		{"a policy", granting, "", `[{"globs":["^iot-.*$"],"namespaces":["ci"],"profiles":["fuse"]}]`},
		{"no grants", "version = 1\n", "", ""},
		{"audit mode", strings.Replace(granting, "version = 1", "version = 1\nmode = \"audit\"", 1), "", "none"},
		{"a policy that Helm cannot read", "", "policyConfigMap=x,admission.namespaces={ci}", "none"},
		{"switched off", granting, "admission.requests=false", "none"},
		{"all switched off", granting, "admission.enabled=false", "none"},
		{"too much for CEL", "version = 1\n[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = " + string(long), "", "too long for admission"},
	} {
		args := []string{"--set-file", "policy=" + file(t, tc.policy), "--set", tc.set}
		if tc.policy == "" {
			args = args[2:]
		}
		if strings.HasPrefix(tc.want, "too") {
			if _, err := template(t, args...); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		all := render(t, args...)
		have := "none"
		if o := find(all, "ValidatingAdmissionPolicy", "nodegate-requests"); o != nil {
			have = ""
			for _, v := range o.in("spec").list("variables") {
				if v["name"] == "grants0" {
					have = fmt.Sprint(v["expression"])
				}
			}
		}
		if have != tc.want {
			t.Errorf("%s: got %s", tc.name, have)
		}
		bindings := 0
		for _, o := range all {
			if o["kind"] == "ValidatingAdmissionPolicyBinding" && o.in("spec")["policyName"] == "nodegate-requests" {
				bindings++
			}
		}
		if (have != "none") != (bindings == 2) {
			t.Errorf("%s: %d bindings", tc.name, bindings)
		}
	}
}
