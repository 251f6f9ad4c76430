// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func policyValue(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policy.toml")
	write(t, name, text)
	return "policy=" + name
}

const grants = "version = 1\n[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = [\"ci\", \"iot-*\"]\n"

// operatorKinds returns the definitions of the Prometheus operator's kinds that the chart
// makes objects of, from the operator's own module.
func operatorKinds(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/prometheus-operator/prometheus-operator")
	cmd.Dir = "../../hack/pins/monitoring"
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, kind := range []string{"servicemonitors", "prometheusrules"} {
		text, err := os.ReadFile(filepath.Join(module.Dir, "example/prometheus-operator-crd/monitoring.coreos.com_"+kind+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s\n---\n", text)
	}
	return all.String()
}

// The API server takes each object that the chart makes, with no field that it does not
// know.
func TestObjects(t *testing.T) {
	c := objects(t)
	c.namespace(t, "objects")
	if _, err := c.kubectl(t, operatorKinds(t), "apply", "--server-side", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.kubectl(t, "", "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"default":     nil,
		"a policy":    {"--set-file", policyValue(t, grants)},
		"a ConfigMap": {"--set", "policyConfigMap=mine,admission.namespaces={ci}"},
		"least":       {"--set", "metrics.enabled=false,networkPolicy.enabled=false,delegation.enabled=false,seLinuxOptions=null,resources.requests.memory=null,tolerations=null,nodeSelector=null,priorityClassName="},
		"OnDelete":    {"--set", "updateStrategy.type=OnDelete"},
		"v1beta1": {"--set-file", policyValue(t, grants), "--kube-version=1.34.0",
			"--api-versions=apps/v1/DaemonSet", "--api-versions=admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy"},
		"defaultRuntime": {"--set", "nri.runtime.patchConfig=true,nri.runtime.restart=true,nri.runtime.defaultRuntime=true"},
		"a digest":       {"--set", "image.tag=x,image.digest=sha256:" + strings.Repeat("0", 64)},
		"everything": {"--set-file", policyValue(t, grants), "--set", strings.Join([]string{"nri.runtime.patchConfig=true", "nri.runtime.layout=k3s",
			"nri.runtime.config=/etc/c.toml", "nri.runtime.restart=true", "nri.runtime.undoOnUninstall=true",
			"serviceMonitor.enabled=true", "prometheusRule.enabled=true", "grafana.dashboard.enabled=true", "log.audit=/var/log/nodegate/audit.log",
			"imagePullSecrets[0].name=registry", "podLabels.a=b", "podAnnotations.c=d", "networkPolicy.from[0].podSelector.matchLabels.app=prometheus"}, ",")},
	} {
		objects, err := c.helm(t, append([]string{"template", "nodegate", chart, "--namespace", "objects"}, args...)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "v1beta1" && !strings.Contains(objects, "apiVersion: admissionregistration.k8s.io/v1beta1\nkind: MutatingAdmissionPolicy\n") {
			t.Errorf("%s: another one is used:\n%s", name, objects)
		}
		if out, err := c.kubectl(t, objects, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// kubectl apply -k installs the same without Helm.
func TestManifestsApply(t *testing.T) {
	c := objects(t)
	c.namespace(t, "nodegate") // a dry run makes none
	out, err := c.kubectl(t, "", "apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", "../../config/deploy/manifests")
	if err != nil || !strings.Contains(out, "daemonset.apps/nodegate serverside-applied") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := c.kubectl(t, "", "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "../../config/deploy/manifests/admission.yaml"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The overlay that docs/kubernetes.md links to does what it is for.
func TestOverlay(t *testing.T) {
	c := objects(t)
	text, err := os.ReadFile("../../config/samples/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir+"/nodegate/config/deploy/manifests", os.DirFS("../../config/deploy/manifests")); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/kustomization.yaml", string(text))
	out, err := c.kubectl(t, "", "kustomize", dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"image: registry.example/nodegate:", `namespaces = ["ci"]`, "50-daemonset.toml: |", "pod-security.kubernetes.io/enforce: privileged"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "#[[grants]]") {
		t.Error("the policy is not replaced")
	}
}

// A new policy changes the ConfigMap and the admission policies, and no pod.
func TestUpgradeOfThePolicy(t *testing.T) {
	c := objects(t)
	c.install(t, "upgrade", "--set-file", policyValue(t, grants))
	get := func(what ...string) string {
		out, err := c.kubectl(t, "", append([]string{"-n", "upgrade", "get", "-o"}, what...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := get("jsonpath={.metadata.generation}", "daemonset", "nodegate")
	if _, err := c.helm(t, "upgrade", "nodegate", chart, "-n", "upgrade", "--reuse-values", "--set-file",
		policyValue(t, strings.ReplaceAll(grants, "iot-", "edge-"))); err != nil {
		t.Fatal(err)
	}
	if after := get("jsonpath={.metadata.generation}", "daemonset", "nodegate"); before != "1" || after != "1" {
		t.Errorf("the DaemonSet was at generation %s, and is at %s", before, after)
	}
	if data := get(`jsonpath={.data.config\.toml}`, "configmap", "nodegate"); !strings.Contains(data, "edge-*") {
		t.Errorf("the policy is\n%s", data)
	}
	if match := get("jsonpath={.spec.matchConditions}", "mutatingadmissionpolicy", "nodegate"); !strings.Contains(match, "edge-.*") {
		t.Errorf("admission goes by %s", match)
	}
	// One that grants nothing requires nothing; how large a pod may be, what is misspelt, and
	// that no request is granted, is for all.
	if _, err := c.helm(t, "upgrade", "nodegate", chart, "-n", "upgrade", "--reuse-values", "--set-file", policyValue(t, "version = 1\n")); err != nil {
		t.Fatal(err)
	}
	if out, err := c.kubectl(t, "", "get", "mutatingadmissionpolicies,validatingadmissionpolicies", "-o", "name"); err != nil ||
		strings.ReplaceAll(out, "validatingadmissionpolicy.admissionregistration.k8s.io/", "") != "nodegate-misspelt\nnodegate-requests\nnodegate-size\n" {
		t.Errorf("%v: there are\n%s", err, out)
	}
}

// The agent's pods need a namespace at the level privileged, for their host paths.
func TestPodSecurityOfTheAgent(t *testing.T) {
	c := objects(t)
	objects, err := c.helm(t, "template", "nodegate", chart, "--show-only", "templates/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, spec, _ := strings.Cut(objects, "\n    spec:\n")
	spec = strings.Replace(spec, "serviceAccountName: nodegate\n", "serviceAccountName: default\n", 1)
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: agent}\nspec:\n" + spec
	for level, allowed := range map[string]bool{"privileged": true, "baseline": false, "restricted": false} {
		c.namespace(t, "level-"+level, "pod-security.kubernetes.io/enforce="+level)
		_, err := c.kubectl(t, pod, "-n", "level-"+level, "create", "--dry-run=server", "-f", "-")
		if (err == nil) != allowed || err != nil && !strings.Contains(err.Error(), "hostPath") {
			t.Errorf("%s: %v", level, err)
		}
	}
}
