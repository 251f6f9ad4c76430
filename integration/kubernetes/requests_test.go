// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// until retries what the API server takes a moment for: it compiles policies in passing.
func until(t *testing.T, what string, try func() string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if last = try(); last == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, last)
}

// thousand is a policy of 1,000 grants beside those of the tests.
func thousand() string {
	var out strings.Builder
	out.WriteString("version = 1\n[profiles.kvm.resource]\nslots = 3\n")
	out.WriteString("[[grants]]\nprofiles = [\"fuse\", \"ping\", \"kvm\"]\nnamespaces = [\"asks\"]\n")
	out.WriteString("[[grants]]\nprofiles = [\"nested\"]\nnamespaces = [\"asks\"]\npods = \"app in (builder), tier != test\"\n")
	for i := range 998 {
		fmt.Fprintf(&out, "[[grants]]\nprofiles = [\"fuse\", \"tun\"]\nnamespaces = [\"team-%d\", \"team-%d-*\"]\npods = \"app = app-%d\"\n", i, i, i)
	}
	return out.String()
}

// The API server refuses a pod at once for what the agent would refuse it for, and warns of
// a Deployment. The policy has a thousand grants, and others after an upgrade.
func TestAdmissionSaysWhatTheAgentWould(t *testing.T) {
	c := objects(t)
	for _, name := range []string{"asks", "team-7-x"} {
		c.namespace(t, name)
	}
	c.install(t, "requests", "--set-file", policyValue(t, thousand()))
	create := func(namespace, manifest string, more ...string) string {
		_, err := c.kubectl(t, manifest, append([]string{"-n", namespace, "create", "--dry-run=server", "-f", "-"}, more...)...)
		return fmt.Sprint(err)
	}
	pod := func(annotations, labels, spec, container string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {%s}, labels: {%s}}\nspec: {%s containers: [{name: c, image: i %s}]}", annotations, labels, spec, container)
	}
	until(t, "admission", func() string {
		if said := create("asks", pod("profiles.nodegate.dev: tun", "", "", "")); !strings.Contains(said, "not_granted") {
			return said
		}
		return ""
	})
	template := func(version, kind, before, after string) string {
		return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: w}\nspec: {%s template: {metadata: {labels: {a: b}, annotations: {profiles.nodegate.dev/pod: tun}}, spec: {restartPolicy: %s, containers: [{name: c, image: i}]}}%s",
			version, kind, before, map[bool]string{true: "Never", false: "Always"}[strings.HasSuffix(kind, "Job")], after)
	}
	const selects, limits = "selector: {matchLabels: {a: b}},", ", resources: {limits: {nodegate.dev/%s: 1}}"
	const who, granted = `nodegate: container "c" of pod asks/p `, `(granted there: fuse, kvm, ping)`
	warned := `nodegate: container "c" of pod asks/w-… asks for profile "tun", which is not granted in namespace "asks" ` + granted + ` [not_granted]`
	for name, tc := range map[string]struct {
		namespace, manifest, want string
		warning                   bool
	}{
		"granted":          {"asks", pod("profiles.nodegate.dev: 'fuse, ping'", "", "", ""), "", false},
		"asks for nothing": {"asks", pod("a: b", "", "", ""), "", false},
		"not granted":      {"asks", pod("profiles.nodegate.dev/container.c: tun", "", "", ""), who + `asks for profile "tun", which is not granted in namespace "asks" ` + granted + " [not_granted]", false},
		"unknown":          {"asks", pod("profiles.nodegate.dev/pod: fuze", "", "", ""), who + `asks for profile "fuze", which does not exist (granted in namespace "asks": fuse, kvm, ping) [unknown_profile]`, false},
		"other pods": {"asks", pod("profiles.nodegate.dev: nested", "app: web", "hostUsers: false,", ""),
			who + `asks for profile "nested", which is granted in namespace "asks" only to pods with labels "app in (builder),tier!=test" (also granted there: fuse, kvm, ping) [not_granted]`, false},
		"these pods": {"asks", pod("profiles.nodegate.dev: nested", "app: builder", "hostUsers: false,", ""), "", false},
		"requires a user namespace": {"asks", pod("profiles.nodegate.dev: nested", "app: builder", "", ""),
			who + `would get profile "nested", which requires a user namespace: set hostUsers: false in the pod's spec [unmet]`, false},
		"a resource":              {"asks", pod("a: b", "", "", fmt.Sprintf(limits, "kvm")), "", false},
		"a resource, not granted": {"team-7-x", pod("a: b", "app: app-7", "", fmt.Sprintf(limits, "kvm")), `asks for profile "kvm", which is not granted in namespace "team-7-x" (granted there: fuse, tun) [not_granted]`, false},
		"by a glob":               {"team-7-x", pod("profiles.nodegate.dev: tun", "app: app-7", "", ""), "", false},
		"Deployment":              {"asks", template("apps/v1", "Deployment", selects, "}"), warned, true},
		"StatefulSet":             {"asks", template("apps/v1", "StatefulSet", selects+"serviceName: s,", "}"), warned, true},
		"DaemonSet":               {"asks", template("apps/v1", "DaemonSet", selects, "}"), warned, true},
		"Job":                     {"asks", template("batch/v1", "Job", "", "}"), warned, true},
		"CronJob":                 {"asks", template("batch/v1", "CronJob", `schedule: "@daily", jobTemplate: {spec: {`, "}}}"), warned, true},
	} {
		said := create(tc.namespace, tc.manifest, "--warnings-as-errors")
		if (said == "<nil>") != (tc.want == "") || !strings.Contains(said, tc.want) {
			t.Errorf("%s: %s, want %q", name, said, tc.want)
		}
		if tc.warning {
			if said := create(tc.namespace, tc.manifest); said != "<nil>" {
				t.Errorf("%s is held up: %s", name, said)
			}
		}
	}
	n, mean := c.durationOf(t, "nodegate-requests")
	t.Logf("by the API server's own figures %v checks by 1,000 grants took %.1f ms each", n, 1000*mean)
	if n == 0 || mean > 5 { // an API server gives a request up after a minute, and a busy machine is slow
		t.Errorf("%v checks, %v s each", n, mean)
	}
	c.requestsOfAPod(t, pod("profiles.nodegate.dev/container.other: tun", "", "", ""))
	c.requestsAfterAnUpgrade(t, func() string {
		return create("asks", strings.Replace(pod("profiles.nodegate.dev: tun", "", "", ""), "name: p,", "name: after,", 1))
	})
}

// requestsOfAPod changes a pod that is there.
func (c *api) requestsOfAPod(t *testing.T, pod string) {
	t.Helper()
	if _, err := c.kubectl(t, pod, "-n", "asks", "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	debugged := func(name string) string {
		return fmt.Sprintf(`{"spec":{"ephemeralContainers":[{"name":%q,"image":"i"}]}}`, name)
	}
	for patch, want := range map[string]string{
		`{"metadata":{"annotations":{"profiles.nodegate.dev/pod":"tun"}}}`:      `asks for profile "tun", which is not granted`,
		`{"metadata":{"annotations":{"a":"b"},"labels":{"a":"c"}}}`:             "",
		`--subresource=ephemeralcontainers ` + debugged("other"):                `container "other" of pod asks/p asks for profile "tun"`,
		`--subresource=ephemeralcontainers ` + debugged("harmless"):             "",
		`{"metadata":{"annotations":{"profiles.nodegate.dev/pod":"fuse"}}}`:     "",
		`{"metadata":{"annotations":{"resource.nodegate.dev/kvm":"kvm/0001"}}}`: "which is the kubelet's to write",
	} {
		args := []string{"-n", "asks", "patch", "pod", "p", "--dry-run=server", "-p"}
		if option, rest, ok := strings.Cut(patch, " "); ok && strings.HasPrefix(patch, "--") {
			args, patch = append([]string{option}, args...), rest
		}
		if _, err := c.kubectl(t, "", append(args, patch)...); (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %q", patch, err, want)
		}
	}
}

// requestsAfterAnUpgrade grants what is not granted: the rules come with the policy.
func (c *api) requestsAfterAnUpgrade(t *testing.T, create func() string) {
	t.Helper()
	text := strings.Replace(thousand(), `profiles = ["fuse", "ping", "kvm"]`, `profiles = ["fuse", "ping", "kvm", "tun"]`, 1)
	if _, err := c.helm(t, "upgrade", "nodegate", chart, "-n", "requests", "--reuse-values", "--set-file", policyValue(t, text)); err != nil {
		t.Fatal(err)
	}
	until(t, "the upgrade", func() string {
		if said := create(); said != "<nil>" {
			return said
		}
		return ""
	})
}

// A cluster without MutatingAdmissionPolicy asks the pods' authors for the annotation that
// requires the agent, and says how to write it.
func TestAdmissionDemandsTheAnnotation(t *testing.T) {
	c := objects(t)
	c.namespace(t, "iot-9")
	for action, refused := range map[string]bool{"warn": false, "deny": true} {
		text, err := c.helm(t, "template", "demanding-"+action, chart, "--namespace", "demanding", "--show-only", "templates/admission.yaml", "--set-file", policyValue(t, strings.Replace(grants, `"ci", "iot-*"`, `"iot-9"`, 1)),
			"--kube-version=1.33.0", "--set", "admission.requests=false,fullnameOverride=demanding-"+action+",admission.missingAnnotation="+action)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.kubectl(t, text, "apply", "-f", "-"); err != nil {
			t.Fatal(err)
		}
		const says = `must be a JSON list that has "nodegate", as in ["nodegate"]: write required-plugins.noderesource.dev: '["nodegate"]' into the annotations of the pod`
		until(t, action, func() string {
			if _, err := c.tryPod(t, "iot-9", nil, "--warnings-as-errors"); err == nil || !strings.Contains(err.Error(), says) {
				return fmt.Sprint(err)
			}
			return ""
		})
		if _, err := c.tryPod(t, "iot-9", nil); (err != nil) != refused {
			t.Errorf("%s: %v", action, err)
		}
		if _, err := c.tryPod(t, "iot-9", map[string]string{required: `["nodegate"]`}, "--warnings-as-errors"); err != nil {
			t.Errorf("%s, with it: %v", action, err)
		}
		c.templatesDemandIt(t, action)
		if _, err := c.kubectl(t, text, "delete", "-f", "-"); err != nil {
			t.Error(err)
		}
		until(t, action+" to end", func() string {
			if _, err := c.tryPod(t, "iot-9", nil, "--warnings-as-errors"); err != nil {
				return err.Error()
			}
			return ""
		})
	}
}

// templatesDemandIt makes what makes pods, which is warned of and never refused.
func (c *api) templatesDemandIt(t *testing.T, action string) {
	t.Helper()
	for _, resource := range []string{"deployment", "statefulset", "daemonset", "job", "cronjob"} {
		create := func(annotation string, more ...string) error {
			_, err := c.kubectl(t, madeFrom(resource, annotation), append([]string{"-n", "iot-9", "create", "--dry-run=server", "-f", "-"}, more...)...)
			return err
		}
		says := "iot-9/made must be a JSON list that has \"nodegate\": write required-plugins.noderesource.dev: '[\"nodegate\"]' into the annotations of its template"
		until(t, action+" of a "+resource, func() string {
			if err := create("{}", "--warnings-as-errors"); err == nil || !strings.Contains(err.Error(), says) {
				return fmt.Sprint(err)
			}
			return ""
		})
		if err := create("{}"); err != nil {
			t.Errorf("%s: a %s is refused: %v", action, resource, err)
		}
		if err := create(`{"required-plugins.noderesource.dev": "[\"nodegate\"]"}`, "--warnings-as-errors"); err != nil {
			t.Errorf("%s: a %s with it: %v", action, resource, err)
		}
	}
}

// madeFrom is an object with a template of pods that have these annotations.
func madeFrom(resource, annotations string) string {
	pod := `{"metadata":{"labels":{"app":"made"},"annotations":` + annotations + `},"spec":{"restartPolicy":"POLICY","containers":[{"name":"c","image":"i"}]}}`
	wrap := func(api, kind, spec string) string {
		return `{"apiVersion":"` + api + `","kind":"` + kind + `","metadata":{"name":"made"},"spec":` + spec + `}`
	}
	always, never := strings.Replace(pod, "POLICY", "Always", 1), strings.Replace(pod, "POLICY", "Never", 1)
	const selector = `"selector":{"matchLabels":{"app":"made"}}`
	switch resource {
	case "job":
		return wrap("batch/v1", "Job", `{"template":`+never+`}`)
	case "cronjob":
		return wrap("batch/v1", "CronJob", `{"schedule":"0 * * * *","jobTemplate":{"spec":{"template":`+never+`}}}`)
	case "statefulset":
		return wrap("apps/v1", "StatefulSet", `{"serviceName":"made",`+selector+`,"template":`+always+`}`)
	case "daemonset":
		return wrap("apps/v1", "DaemonSet", `{`+selector+`,"template":`+always+`}`)
	}
	return wrap("apps/v1", "Deployment", `{`+selector+`,"template":`+always+`}`)
}

// tryPod creates a pod in a dry run, with more options.
func (c *api) tryPod(t *testing.T, namespace string, annotations map[string]string, more ...string) (string, error) {
	t.Helper()
	return c.kubectl(t, annotated(t, "p", annotations), append([]string{"-n", namespace, "create", "--dry-run=server", "-f", "-"}, more...)...)
}

// refusedAtApply returns what kubectl prints of a pod by the policy as nodegate render
// admission prints it. The rules are gone again when it returns.
func (k *kube) refusedAtApply(pod string) (said string) {
	k.Helper()
	bin, err := node.BinDir()
	if err != nil {
		k.Fatal(err)
	}
	objects, err := exec.CommandContext(k.Context(), filepath.Join(bin, "nodegate"), "render", "admission", "--config", "testdata/policy.toml").Output()
	if err != nil {
		k.Fatal(err)
	}
	create := func() string {
		_, err := k.KubectlWith(context.Background(), pod, "create", "--dry-run=server", "-f", "-")
		return fmt.Sprint(err)
	}
	k.apply(string(objects))
	k.eventually("admission to refuse the pod", func() error {
		if said = create(); !strings.Contains(said, "nodegate-requests") {
			return fmt.Errorf("it says %s", said)
		}
		return nil
	})
	k.do("delete", "validatingadmissionpolicy/nodegate-requests", "validatingadmissionpolicybinding/nodegate-requests", "validatingadmissionpolicybinding/nodegate-requests-templates")
	k.eventually("admission to forget it", func() error {
		if said := create(); strings.Contains(said, "nodegate-requests") {
			return fmt.Errorf("it says %s", said)
		}
		return nil
	})
	return said
}
