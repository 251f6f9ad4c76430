// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// show writes a file as few words: pods with their containers, then notes and
// problems.
func show(f File) string {
	out := ""
	for _, p := range f.Pods {
		out += fmt.Sprintf("%s %s/%s line %d", p.Kind, p.Namespace, p.Name, p.Line)
		if p.Several || !holdsPods(p.Kind) {
			out += " " + p.Path
		}
		out += ":"
		for _, c := range p.Containers {
			out += fmt.Sprintf(" %s %s", c.Type, c.Name)
		}
		out += "\n"
		for _, h := range p.Hints {
			out += "hint: " + h + "\n"
		}
	}
	for _, n := range f.Notes {
		out += "note: " + n.Error() + "\n"
	}
	for _, p := range f.Problems {
		out += p.Error() + "\n"
	}
	return out
}

const onePod = `apiVersion: v1
kind: Pod
metadata: {name: a, namespace: ci}
spec:
  containers: [{name: app}]
`

func TestRead(t *testing.T) {
	workload := func(kind string) string {
		return "kind: " + kind + "\nmetadata: {name: w, namespace: ci}\nspec: {template: {spec: {containers: [{name: app}]}}}\n"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"a pod": {onePod, "Pod ci/a line 1: container app\n"},
		"every kind of container": {`kind: Pod
metadata: {generateName: a-, namespace: ci}
spec:
  ephemeralContainers: [{name: debug}]
  containers: [{name: app}, {name: log}]
  initContainers: [{name: setup}, {name: proxy, restartPolicy: Always}]
`, "Pod ci/a-… line 1: init setup sidecar proxy container app container log ephemeral debug\n"},
		"workloads": {strings.Join([]string{workload("Deployment"), workload("DaemonSet"), workload("StatefulSet"), workload("ReplicaSet"),
			workload("ReplicationController"), workload("Job"), workload("Rollout"),
			"kind: CronJob\nmetadata: {name: w}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: app}]}}}}}\n",
			"kind: PodTemplate\nmetadata: {name: w}\ntemplate: {spec: {containers: [{name: app}]}}\n"}, "---\n"), `
Deployment ci/w-… line 1: container app
DaemonSet ci/w-… line 5: container app
StatefulSet ci/w-… line 9: container app
ReplicaSet ci/w-… line 13: container app
ReplicationController ci/w-… line 17: container app
Job ci/w-… line 21: container app
Rollout ci/w-… line 25 spec.template: container app
CronJob /w-… line 29: container app
PodTemplate /w-… line 33: container app
`},
		"a list": {`apiVersion: v1
kind: List
items:
- kind: Pod
  metadata: {name: a}
  spec: {containers: [{name: app}]}
- kind: Service
  metadata: {name: s}
- oops
- kind: Pod
  metadata: {name: b}
  spec: {containers: [{name: app}]}
`, `
Pod /a line 4: container app
Pod /b line 10: container app
note: x.yaml:7: kind Service holds no pod: explain reads a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one
x.yaml:9: an item of the list is no Kubernetes object: write apiVersion, kind, metadata and spec
`},
		"JSON, indented by tabs": {"{\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\", \"namespace\": \"ci\"},\n\t\"spec\": {\"containers\": [{\"name\": \"app\"}]}\n}\n",
			"Pod ci/a line 1: container app\n"},
		"marks, comments and empty documents": {"\ufeff# a comment\n---\n---\r\n" + strings.ReplaceAll(onePod, "\n", "\r\n") + "...\n---\n# the end\n", "Pod ci/a line 4: container app\n"},
		"anchors and merges": {"kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - &c {name: one, securityContext: {runAsUser: 7}}\n  - <<: *c\n    name: two\n",
			"Pod /a line 1: container one container two\n"},

		"an error costs its own document": {onePod + "---\nkind: Pod\nspec: {containers: [{name: app}]\n---\n" + strings.Replace(onePod, "name: a,", "name: b,", 1),
			"Pod ci/a line 1: container app\nPod ci/b line 10: container app\nx.yaml:7 (document 2): did not find expected ',' or '}'\n"},
		"a template": {"kind: Pod\nmetadata:\n  name: {{ .Release.Name }}\nspec: {containers: [{name: app}]}\n",
			"x.yaml:3: {{ … }} is a template: render it first, as helm template does, and explain what comes out\n"},
		"a template that is good YAML": {"kind: Pod\nmetadata:\n  name: \"{{ .Release.Name }}\"\nspec: {containers: [{name: app}]}\n",
			"x.yaml:3: {{ … }} is a template: render it first, as helm template does, and explain what comes out\n"},
		"braces that are no template": {strings.Replace(onePod, "[{name: app}]", `[{name: app, args: ["{{.Name}}"]}]`, 1), "Pod ci/a line 1: container app\n"},
		"tabs":                        {"kind: Pod\nmetadata:\n\tname: a\n", "x.yaml:3: found character that cannot start any token\n"},
		"nothing":                     {"", "x.yaml: is empty: write a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one\n"},
		"only comments":               {"# a\n---\n# b\n", "x.yaml: is empty: write a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one\n"},
		"a list of nothing":           {"apiVersion: v1\nitems: []\nkind: List\n", ""},
		"a list of nothing, as JSON":  {`{"apiVersion": "v1", "items": [], "kind": "PodList"}`, ""},
		"a list of nothing and a pod": {"apiVersion: v1\nitems: []\nkind: List\n---\n" + onePod, "Pod ci/a line 5: container app\n"},
		"another kind alone": {"kind: Service\nmetadata: {name: s}\nspec: {ports: {}}\n",
			"x.yaml:1: kind Service holds no pod: explain reads a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one\n"},
		"another kind beside a pod": {"kind: Service\n---\n" + onePod, `
Pod ci/a line 3: container app
note: x.yaml:1: kind Service holds no pod: explain reads a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one
`},
		"no kind":             {"metadata: {name: a}\n", "x.yaml:1: has no kind: write kind: Pod, or Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob\n"},
		"a policy":            {"version = 1\n[[grants]]\n", "x.yaml:1: is no Kubernetes object: write apiVersion, kind, metadata and spec\n"},
		"a list of documents": {"- kind: Pod\n", "x.yaml:1: is no Kubernetes object: write apiVersion, kind, metadata and spec\n"},
		"no containers": {"kind: Pod\nmetadata: {name: a}\n---\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 2}\n---\nkind: CronJob\nmetadata: {name: c}\n", `
x.yaml:1: Pod "a" has no containers: write them under spec.containers
x.yaml:4 (document 2): Deployment "d" has no containers: write them under spec.template.spec.containers
x.yaml:8 (document 3): CronJob "c" has no containers: write them under spec.jobTemplate.spec.template.spec.containers
`},
		"wrong types": {"kind: Pod\nmetadata:\n  name: 7\n  labels: {app: yes, on: 2}\nspec:\n  hostUsers: \"false\"\n  containers: {name: app}\n", `
x.yaml:3: a number, a date, true or false is not a string: write "7"
x.yaml:4: a number, a date, true or false is not a string: write "2"
x.yaml:6: "false" is written where true or false belongs
x.yaml:7: a mapping is written where a list belongs
`},
		"a list for mappings": {"kind: Pod\nmetadata: {name: a, labels: [b]}\nspec:\n  securityContext: [a]\n  containers:\n  - name: app\n    resources: [b]\n    securityContext:\n      capabilities: [c]\n", `
x.yaml:2: a list is written where a mapping belongs
x.yaml:4: a list is written where a mapping belongs
x.yaml:7: a list is written where a mapping belongs
x.yaml:9: a list is written where a mapping belongs
`},
		"a field twice":          {"kind: Pod\nkind: Pod\n", "x.yaml:2: mapping key \"kind\" already defined at line 1\n"},
		"a field misspelt":       {strings.Replace(onePod, "spec:", "spec:\n  hostusers: false", 1), "x.yaml:5: hostusers is not a field of a pod's spec: write hostUsers\n"},
		"a container's misspelt": {strings.Replace(onePod, "name: app", "name: app, securitycontext: {}", 1), "x.yaml:5: securitycontext is not a field of a container: write securityContext\n"},
		"no name":                {strings.Replace(onePod, "name: app", "image: app", 1), "x.yaml:5: a container has no name: write name: app, for instance\n"},
		"one name twice":         {strings.Replace(onePod, "[{name: app}]", "[{name: app}, {name: app}]", 1), "x.yaml:5: there is a second container \"app\": give it another name\n"},
		"an id that is none":     {strings.Replace(onePod, "name: app", "name: app, securityContext: {runAsUser: -1}", 1), "x.yaml:5: container \"app\" runs as an id that does not exist: write runAsUser and runAsGroup from 0 to 2147483647\n"},
		"what a terminal would obey": {"kind: \"\\e[2J\"\n---\n" + strings.Replace(onePod, "name: a,", `name: "\e]0;x\a",`, 1) + "---\n" + strings.Replace(onePod, "name: app", `name: "a\nb"`, 1), `
x.yaml:1: "\x1b[2J" is not a kind: write Pod, or Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob
x.yaml:3 (document 2): "\x1b]0;x\a" is not a name: write letters, digits and dashes
x.yaml:13 (document 3): "a\nb" is not a name: write letters, digits and dashes
`},
		"not UTF-8":        {onePod + "---\nkind: \xff\n", "Pod ci/a line 1: container app\nx.yaml:7 (document 2): is not UTF-8: save the file as UTF-8\n"},
		"UTF-16":           {"\xff\xfek\x00", "x.yaml:1: is not UTF-8: save the file as UTF-8\n"},
		"too large":        {strings.Repeat("# no\n", sizeLimit/5+1), "x.yaml: is larger than 32 MiB: split it\n"},
		"a list in itself": {"kind: List\nitems: &a\n- kind: List\n  items: *a\n", "x.yaml:3: is a list that is more than 8 lists and objects deep: write its items into the outer one\n"},
		"requests that ask for nothing": {`kind: Deployment
metadata: {name: d, annotations: {profiles.nodegate.dev/pod: fuse}}
spec:
  template:
    metadata: {annotations: {profiles.nodegate.dev/container.ap: kvm}}
    spec: {containers: [{name: app}]}
`, `
Deployment /d-… line 1: container app
hint: the annotation "profiles.nodegate.dev/pod" stands on the Deployment, where it asks for nothing: move it to the metadata of the pod's template
hint: the annotation "profiles.nodegate.dev/container.ap" asks for a container that the pod has not
`},
	} {
		t.Run(name, func(t *testing.T) {
			got := show(Read("x.yaml", strings.NewReader(tc.text)))
			if want := strings.TrimPrefix(tc.want, "\n"); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestRuntimeClass(t *testing.T) {
	f := Read("x.yaml", strings.NewReader("kind: RuntimeClass\nmetadata: {name: gate}\nhandler: nodegate\n"))
	if f.RuntimeClasses["gate"] != "nodegate" || len(f.Problems) > 0 {
		t.Errorf("%v, %s", f.RuntimeClasses, show(f))
	}
}

// An anchor that is repeated many times must not take the machine's memory.
func TestBomb(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	f := Read("x.yaml", strings.NewReader(bomb+"kind: Pod\nmetadata: {name: a, labels: {x: *j}}\nspec: {containers: *j}\n"))
	if len(f.Pods) > 0 || len(f.Problems) == 0 {
		t.Error(show(f))
	}
}

// FuzzRead reads anything without a panic, and says where what is wrong is.
func FuzzRead(f *testing.F) {
	f.Add(onePod)
	f.Add("kind: List\nitems: [{kind: Pod}, &a {kind: Job, spec: {template: {spec: &s {containers: [{name: x}]}}}}, *a]\n---\n{{ x }}\n...\n")
	for _, tc := range templates {
		f.Add(tc.text)
	}
	for _, text := range lists {
		f.Add("apiVersion: v1\nitems:\n" + text)
	}
	f.Add(`{"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "app"}]}}]}`)
	f.Add("apiVersion: v1\nitems: []\nkind: List\n")
	f.Add(strings.Replace(onePod, "name: app", `name: app, resources: {limits: {"nodegate.dev/\e": 1k}, requests: {"nodegate.dev/\e": "\e"}}`, 1))
	f.Add("kind: CronJob\nspec:\n  <<: &x {jobTemplate: {}}\n\tx\n--- |\n  a\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := ReadToEdit("x.yaml", strings.NewReader(text))
		lines := 1 // as YAML counts them
		for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
			lines += strings.Count(text, end)
		}
		for _, p := range append(got.Problems, got.Notes...) {
			if strings.ContainsFunc(p.Text, unicode.IsControl) {
				t.Fatalf("%q", p.Text)
			}
			if p.Line < 0 || p.Line > lines+1 || p.Text == "" {
				t.Fatalf("line %d of %d: %q", p.Line, lines, p.Text)
			}
		}
		for i := range got.Pods {
			p := &got.Pods[i]
			edit := Edit{HostUsers: true, RuntimeClass: "g", Annotations: map[string]string{"k": "v"}, Containers: map[string]ContainerEdit{}}
			for j := range p.Containers {
				own := ContainerEdit{Unprivileged: p.Containers[j].Privileged, Limits: p.Containers[j].Extended}
				for _, m := range p.Containers[j].Mounts {
					own.Mounts = append(own.Mounts, m.Destination)
				}
				edit.Containers[p.Containers[j].Name] = own
			}
			if after, failed := got.Edited(map[int]Edit{i: edit}); failed[i] != nil && string(after) != string(got.Text()) {
				t.Fatalf("%v, and edited:\n%s", failed[i], after)
			}
			if len(p.Containers) == 0 {
				t.Fatal("a pod without containers")
			}
			for j := range p.Containers {
				p.Facts(&p.Containers[j], true)
				p.Spec(&p.Containers[j], nil)
			}
		}
		if len(got.Pods)+len(got.Problems)+len(got.RuntimeClasses) == 0 && !got.emptyList {
			t.Fatal("nothing came of it")
		}
	})
}
