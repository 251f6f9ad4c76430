// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/config/lint"
)

const granting = "version = 1\n[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = [\"ci\", \"iot-*\"]\n"

const defaultRuntime = "nri.runtime.patchConfig=true,nri.runtime.restart=true,nri.runtime.defaultRuntime=true"

// everything are the flags that switch on all of the chart that goes together.
func everything(t *testing.T) []string {
	return []string{"--set-file", "policy=" + file(t, granting), "--set", strings.Join([]string{
		"nri.runtime.patchConfig=true", "nri.runtime.layout=k3s", "nri.runtime.config=/etc/c.toml", "nri.runtime.restart=true",
		"nri.runtime.undoOnUninstall=true",
		"serviceMonitor.enabled=true", "prometheusRule.enabled=true", "grafana.dashboard.enabled=true",
		"log.audit=/var/log/nodegate/audit.log", "imagePullSecrets[0].name=registry", "podLabels.a=b", "podAnnotations.c=d",
		"serviceMonitor.interval=30s", "serviceMonitor.labels.release=x", "networkPolicy.from[0].podSelector.matchLabels.app=prometheus",
		"affinity.nodeAffinity.x=y", "updateStrategy.rollingUpdate.maxUnavailable=1", "updateStrategy.rollingUpdate.maxSurge=0"}, ",")}
}

func TestChartLints(t *testing.T) {
	for name, args := range map[string][]string{"default": nil, "everything": everything(t)} {
		if out, err := helm(t, append([]string{"lint", "--strict", "chart"}, args...)...); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// What the chart's objects are made from is what this repository has.
func TestChartFiles(t *testing.T) {
	for _, name := range []string{"alerts.yaml", "dashboard.json"} {
		generated(t, "chart/files/"+name, read(t, "monitoring/"+name))
	}
	generated(t, "chart/files/profiles.toml", read(t, "../profiles.toml"))
}

// The manifests for kubectl and kustomize are the chart's.
func TestManifests(t *testing.T) {
	// Whoever changes the ConfigMap there would not change what admission has read of it.
	text, err := template(t, "--set", "admission.requests=false")
	must(t, err)
	const head = "# Made from config/deploy/chart with its default values and admission.requests=false: make manifests\n"
	generated(t, "manifests/nodegate.yaml", []byte(head+text))
	text, err = template(t, "--show-only", "templates/admission.yaml", "--set", "policyConfigMap=x,admission.namespaces={ci}")
	must(t, err)
	generated(t, "manifests/admission.yaml", []byte("# Pods of namespace \"ci\" require the agent: write the namespaces that your policy grants\n"+
		"# something, in both expressions. Made from config/deploy/chart: make manifests\n"+text))
}

// Values that contradict each other are refused, with what to write instead.
func TestChartRefuses(t *testing.T) {
	policy := func(text string) string { return "policy=" + file(t, text) }
	for _, tc := range []struct {
		file, set string
		want      string
	}{
		{set: "polcy=x", want: `additional properties 'polcy' not allowed`},
		{set: "nri.runtime.patchconfig=true", want: `at '/nri/runtime': additional properties 'patchconfig' not allowed`},
		{set: "nri.plugin.index=100", want: `at '/nri/plugin/index': maximum: got 100, want 99`},
		{set: "log.level=loud", want: `at '/log/level': value must be one of 'debug', 'info', 'warn', 'error'`},
		{set: "nri.runtime.restart=true", want: `at '/nri/runtime/patchConfig': value must be 'true, since nri.runtime.restart is set: `},
		{set: "nri.runtime.defaultRuntime=true,nri.runtime.restart=true", want: `value must be 'true, since nri.runtime.defaultRuntime is set, `},
		{set: "nri.runtime.undoOnUninstall=true", want: `value must be 'true, since nri.runtime.undoOnUninstall is set: `},
		{set: "nri.runtime.layout=k3s", want: `value must be 'true, since nri.runtime.layout is set, `},
		{set: "nri.runtime.config=/etc/containerd/config.toml", want: `value must be 'true, since nri.runtime.config is set, `},
		{set: "nri.runtime.patchConfig=true,nri.runtime.defaultRuntime=true", want: `at '/nri/runtime/restart': value must be 'true, since nri.runtime.defaultRuntime is set: the agent refuses`},
		{set: defaultRuntime + ",nri.runtime.undoOnUninstall=true", want: `at '/nri/runtime/undoOnUninstall': value must be 'false, since nri.runtime.defaultRuntime is set: every pod`},
		{set: "nri.runtime.patchConfig=true,nri.runtime.config=config.toml", want: `value must be 'the absolute path of a file on the node, `},
		{set: "nri.socket=/etc/nri.sock", want: `at '/nri/socket': value must be 'the path of a socket in a folder below /run`},
		{set: "nri.socket=/run/nri.sock", want: `at '/nri/socket': value must be 'the path of a socket in a folder below /run`},
		{set: "nri.socket=/run/../etc/nri.sock", want: `at '/nri/socket': value must be 'the path of a socket in a folder below /run`},
		{set: "log.audit=/etc/cron.d/audit", want: `at '/log/audit': value must be 'stderr, or a file in /var/log/nodegate, `},
		{set: "log.audit=/var/log/pods/audit.log", want: `at '/log/audit': value must be 'stderr, or a file in /var/log/nodegate, `},
		{set: "log.audit=/var/log/nodegate/../../etc/x", want: `at '/log/audit': value must be 'stderr, or a file in /var/log/nodegate, `},
		{set: "image.digest=abc", want: `at '/image/digest': value must be 'sha256: and 64 hexadecimal digits`},
		{set: "policyConfigMap=mine,policy=version = 1", want: `at '/policyConfigMap': value must be 'empty, since policy is written: `},
		{set: "policyConfigMap=mine", want: `at '/admission/namespaces': value must be 'the namespaces that the policy of policyConfigMap grants`},
		{set: "admission.namespaces={ci}", want: `at '/admission/namespaces': value must be 'empty, since they are read from policy: `},
		{set: "metrics.enabled=false,serviceMonitor.enabled=true", want: `at '/metrics/enabled': value must be 'true, since serviceMonitor.enabled is set: `},
		{set: "metrics.enabled=false,prometheusRule.enabled=true", want: `value must be 'true, since prometheusRule.enabled is set: `},
		{set: "metrics.enabled=false,grafana.dashboard.enabled=true", want: `value must be 'true, since grafana.dashboard.enabled is set: `},
		{set: "metrics.enabled=false,networkPolicy.from[0].podSelector.a=b", want: `value must be 'true, since networkPolicy.from says `},
		{set: "networkPolicy.enabled=false,networkPolicy.from[0].podSelector.a=b", want: `at '/networkPolicy/enabled': value must be 'true, since networkPolicy.from is set'`},
		{set: "updateStrategy.rollingUpdate.maxSurge=0", want: `at '/updateStrategy/rollingUpdate/maxSurge': value must be '1, or maxUnavailable be: `},
		{set: "updateStrategy.rollingUpdate.maxUnavailable=10%", want: `at '/updateStrategy/rollingUpdate/maxUnavailable': value must be '0, or maxSurge be: `},
		{set: "resources.requests.cpu=99m", want: `at '/resources/requests/cpu': value must be '100m or more: `},
		{set: "resources.requests.cpu=0.05", want: `at '/resources/requests/cpu': value must be '100m or more: `},
		{set: "resources.requests.cpu=null", want: `at '/resources/requests': missing property 'cpu'`},
		{set: "resources=null", want: `missing property 'resources'`},
		{set: "resources.limits.cpu=200m", want: `at '/resources/limits/cpu': value must be '500m or more, or left out: `},
		{set: "resources.limits.cpu=0.4", want: `at '/resources/limits/cpu': value must be '500m or more, or left out: `},
		{file: policy("version = "), want: `policy is not TOML: `},
		{file: policy("version = 1\n[state]\ndir = \"/x\"\n"), want: `policy has [state], which the chart writes: leave it out, the chart's paths are fixed`},
		{file: policy("version = 1\n[log]\nlevel = \"debug\"\n"), want: `policy has [log], which the chart writes: leave it out, and set the values log.* instead`},
		{file: policy("version = 1\n[runtime]\nhandlers = []\n"), set: defaultRuntime,
			want: `policy has [runtime], which the chart writes with nri.runtime.defaultRuntime or nri.runtime.wrap: leave it out`},
		{file: policy("version = 1\n[[grants]]\nprofiles = [\"fuse\"]\nnamespaces = [\"a'b\"]\n"), want: `namespaces has "a'b", which is no glob on names of namespaces: `},
		{set: "policyConfigMap=mine,admission.namespaces={ci-[a}", want: `namespaces has "ci-[a", which is no glob `},
	} {
		args := []string{}
		if tc.file != "" {
			args = append(args, "--set-file", tc.file)
		}
		if tc.set != "" {
			args = append(args, "--set", tc.set)
		}
		if out, err := template(t, args...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: got %v, want %s\n%.200s", args, err, tc.want, out)
		}
	}
	for _, cpu := range []string{"requests.cpu=100m", "requests.cpu=0.1", "requests.cpu=2", "limits.cpu=500m", "limits.cpu=1500m", "limits.cpu=0.5", "limits.memory=100Mi"} {
		if _, err := template(t, "--set", "resources."+cpu); err != nil {
			t.Errorf("resources.%s: %v", cpu, err)
		}
	}
}

// settings renders the agent's files, and reads them as an agent does.
func settings(t *testing.T, args ...string) *config.Config {
	t.Helper()
	data := find(render(t, args...), "ConfigMap", "nodegate").in("data")
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/conf.d", 0o700))
	must(t, os.WriteFile(dir+"/config.toml", []byte(fmt.Sprint(data["config.toml"])), 0o600))
	must(t, os.WriteFile(dir+"/conf.d/50-daemonset.toml", []byte(fmt.Sprint(data["50-daemonset.toml"])), 0o600))
	c, err := config.Load(dir + "/config.toml")
	must(t, err)
	return c
}

// What the chart writes is what an agent reads.
func TestChartSettings(t *testing.T) {
	c := settings(t)
	if len(c.Grants) != 0 || c.NRI != (config.NRI{Socket: "/var/run/nri/nri.sock", Index: "90"}) || c.Log != (config.Log{Level: "info", Format: "text"}) ||
		c.State != (config.State{Dir: "/run/nodegate", ShadowDir: "/dev/.udev/nodegate", HostRoot: "/host"}) ||
		!slices.Equal(c.Server.Listen, []string{"unix:///run/nodegate/nodegate.sock", "tcp://127.0.0.1:9465", "tcp://0.0.0.0:9464"}) || !slices.Equal(c.Runtime.Handlers, []string{"nodegate"}) {
		t.Errorf("by default: %+v", c)
	}
	for _, f := range lint.Check(c) {
		if f.Accepted == "" {
			t.Errorf("nodegate check says of the chart's own settings: %s", f)
		}
	}
	// Written as somebody indents it, and with what YAML takes for its own.
	odd := "   # a: b\n" + granting + "[runtime]\nhandlers = [\"mine\"]\n[profiles.x]\ndescription = \"---\\n: {{ }}\"\ntmpfs = [\"/run\"]\n\n\n"
	c = settings(t, "--set-file", "policy="+file(t, odd), "--set",
		"nri.plugin.index=5,nri.socket=/run/other/nri.sock,log.level=debug,log.format=json,log.audit=stderr,metrics.enabled=false")
	if len(c.Grants) != 1 || c.NRI != (config.NRI{Socket: "/run/other/nri.sock", Index: "05"}) || c.Log != (config.Log{Level: "debug", Format: "json", Audit: "stderr"}) ||
		!slices.Equal(c.Server.Listen, []string{"unix:///run/nodegate/nodegate.sock", "tcp://127.0.0.1:9465"}) || !slices.Equal(c.Runtime.Handlers, []string{"mine"}) {
		t.Errorf("by values: %+v", c)
	}
	if c = settings(t, everything(t)...); len(c.Grants) != 1 || c.Log.Audit != "/var/log/nodegate/audit.log" {
		t.Errorf("with everything: %+v", c)
	}
	if c = settings(t, "--set", defaultRuntime); !slices.Equal(c.Runtime.Handlers, []string{"", "nodegate"}) {
		t.Errorf("with defaultRuntime: %+v", c)
	}
	if data := find(render(t, "--set", "policyConfigMap=mine,admission.enabled=false"), "ConfigMap", "nodegate").in("data"); data["config.toml"] != nil {
		t.Error("there is a policy beside policyConfigMap's")
	}
}

// A change of the policy starts no agent anew, and one of the settings does.
func TestChartRestartsForSettingsAlone(t *testing.T) {
	sum := func(args ...string) any {
		o := find(render(t, args...), "DaemonSet", "nodegate")
		return o.in("spec", "template", "metadata", "annotations")["checksum/settings"]
	}
	before := sum()
	if before == nil || before != sum("--set-file", "policy="+file(t, granting)) {
		t.Error("a policy changes the pods")
	}
	if before == sum("--set", "log.level=debug") {
		t.Error("log.level does not change the pods")
	}
}

// The alerts of the PrometheusRule are those that are tested, and Prometheus takes them.
func TestChartAlerts(t *testing.T) {
	rule := find(render(t, "--set", "prometheusRule.enabled=true"), "PrometheusRule", "nodegate").in("spec")
	var want object
	must(t, yaml.Unmarshal(read(t, "monitoring/alerts.yaml"), &want))
	if !reflect.DeepEqual(rule, want) {
		t.Errorf("got %v, want %v", rule, want)
	}
	text, err := yaml.Marshal(rule)
	must(t, err)
	name := filepath.Join(t.TempDir(), "rules.yaml")
	must(t, os.WriteFile(name, text, 0o600))
	if out, err := exec.Command(program(t, "promtool"), "check", "rules", name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	dashboard := find(render(t, "--set", "grafana.dashboard.enabled=true"), "ConfigMap", "nodegate-dashboard").in("data")["nodegate.json"]
	if text, ok := dashboard.(string); !ok || !json.Valid([]byte(text)) {
		t.Error("the dashboard is no JSON")
	}
}
