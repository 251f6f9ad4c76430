// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// templates are objects that hold pods in other ways than Kubernetes' own workloads.
var templates = map[string]struct{ text, want string }{
	"a scaled job": {`apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: encode, namespace: media}
spec:
  jobTargetRef:
    parallelism: 2
    template:
      metadata: {annotations: {profiles.nodegate.dev: fuse}}
      spec: {containers: [{name: ffmpeg, image: x}]}
  triggers: [{type: cron, metadata: {timezone: Etc/UTC}}]
`, "ScaledJob media/encode-… line 1 spec.jobTargetRef.template: container ffmpeg\nprofiles.nodegate.dev=fuse\n"},
	"a set of jobs": {`apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata: {name: mpi, namespace: hpc}
spec:
  replicatedJobs:
  - name: leader
    template: {spec: {template: {spec: {containers: [{name: lead, image: x}]}}}}
  - name: workers
    template:
      metadata: {annotations: {profiles.nodegate.dev: rdma}}
      spec: {template: {metadata: {annotations: {profiles.nodegate.dev/pod: kvm}}, spec: {containers: [{name: work, image: x}]}}}
`, `
JobSet hpc/mpi-… line 1 spec.replicatedJobs[0].template.spec.template: container lead
JobSet hpc/mpi-… line 1 spec.replicatedJobs[1].template.spec.template: container work
profiles.nodegate.dev/pod=kvm
hint: the annotation "profiles.nodegate.dev" stands at spec.replicatedJobs[1].template.metadata, where it asks for nothing: move it to the metadata of the pod's template
`},
	"a cluster with groups": {`apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray, namespace: ml}
spec:
  headGroupSpec: {template: {spec: {containers: [{name: head, image: x}]}}}
  workerGroupSpecs:
  - {groupName: small, template: {spec: {containers: [{name: worker, image: x}]}}}
`, `
RayCluster ml/ray-… line 1 spec.headGroupSpec.template: container head
RayCluster ml/ray-… line 1 spec.workerGroupSpecs[0].template: container worker
`},
	"a Knative service": {`apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web, namespace: apps}
spec: {template: {metadata: {annotations: {profiles.nodegate.dev: fuse}}, spec: {containers: [{image: x}]}}}
`, "Service apps/web-… line 1 spec.template: container user-container\nprofiles.nodegate.dev=fuse\n"},
	"a Knative service with two containers": {`apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: web, namespace: apps}
spec: {template: {spec: {containers: [{image: x}, {image: y}]}}}
`, "Service apps/web-… line 1 spec.template: container user-container-0 container user-container-1\n"},
	"a kind that nobody knows, without names": {`apiVersion: example.com/v1
kind: Widget
metadata: {name: w, namespace: a}
spec: {deep: {er: [{pods: {spec: {containers: [{image: x}, {image: y}]}}}]}}
`, "Widget a/w-… line 1 spec.deep.er[0].pods: container (unnamed) container (unnamed)\n"},
	"a pod's spec without the word": {`apiVersion: example.com/v1
kind: Database
metadata: {name: db, namespace: a}
spec: {podTemplate: {metadata: {annotations: {profiles.nodegate.dev: fuse}}, hostUsers: false, containers: [{name: pg, image: x}]}}
`, "Database a/db-… line 1 spec.podTemplate: container pg\nprofiles.nodegate.dev=fuse\nuser namespace\n"},
	"a workflow": {`apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: build-, namespace: ci, annotations: {profiles.nodegate.dev: fuse}}
spec:
  entrypoint: all
  podMetadata: {annotations: {profiles.nodegate.dev: nested}}
  podSpecPatch: "hostUsers: false"
  templates:
  - name: all
    steps: [[{name: a, template: image}]]
  - name: image
    container: {image: x}
    podSpecPatch: '{"runtimeClassName": "nodegate"}'
  - name: check
    metadata: {annotations: {profiles.nodegate.dev: kvm}}
    script: {image: x, source: echo}
    sidecars: [{name: db, image: x}]
`, `
Workflow ci/build-… line 1 spec.templates[1]: container main
profiles.nodegate.dev=nested
user namespace
runtime class nodegate
hint: the annotation "profiles.nodegate.dev" stands on the Workflow, where it asks for nothing: move it to the metadata of the pod's template
Workflow ci/build-… line 1 spec.templates[2]: container main container db
profiles.nodegate.dev=kvm
user namespace
hint: the annotation "profiles.nodegate.dev" stands on the Workflow, where it asks for nothing: move it to the metadata of the pod's template
`},
	"a task": {`apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: t, namespace: ci, annotations: {profiles.nodegate.dev: fuse}}
spec:
  podTemplate: {hostUsers: false}
  taskSpec:
    stepTemplate: {securityContext: {runAsUser: 7}}
    steps: [{name: build, image: x}, {image: y}]
    sidecars: [{name: db, image: x}]
`, "TaskRun ci/t-… line 1 spec.taskSpec: container step-build container step-unnamed-1 container sidecar-db\nprofiles.nodegate.dev=fuse\nuser namespace\n"},
	"objects in an object": {`apiVersion: template.openshift.io/v1
kind: Template
metadata: {name: t, namespace: a}
objects:
- {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}}
- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: []}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: b}, spec: {template: {spec: {containers: [{name: c}]}}}}
`, "Pod a/p line 5: container c\nDeployment b/d-… line 7: container c\n"},
	"typed lists, whose items name no kind": {`{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a", "namespace": "x"}, "spec": {"containers": [{"name": "c"}]}}]}
---
{"kind": "DeploymentList", "items": [{"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}]}
`, "Pod x/a line 1: container c\nDeployment /d-… line 3: container c\n"},
	"lists in lists": {`kind: List
items:
- kind: List
  items:
  - {kind: PodList, items: [{metadata: {name: a}, spec: {containers: [{name: c}]}}]}
`, "Pod /a line 5: container c\n"},
	"claims, which hold no pod": {`apiVersion: example.com/v1
kind: Store
metadata: {name: s}
spec: {claims: [{apiVersion: v1, kind: PersistentVolumeClaim, spec: {}}]}
`, "x.yaml:1: kind Store holds no pod: explain reads a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one\n"},
	"a definition, which describes them": {`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: d}
spec: {versions: [{schema: {properties: {spec: {properties: {containers: {items: {properties: {image: {type: string}}}}}}}}}]}
`, "x.yaml:1: kind CustomResourceDefinition holds no pod: explain reads a Pod, or a Deployment, DaemonSet, StatefulSet, ReplicaSet, Job, CronJob that holds one\n"},
	"too deep": {"kind: Deep\nspec: " + strings.Repeat("{a: ", 40) + "1" + strings.Repeat("}", 40) + "\n", "x.yaml:1: Deep \"\" is more than 32 levels deep: pods further down are not explained\n"},
	"too many": {"kind: Many\nmetadata: {name: m}\nspec:\n" + strings.Repeat("- {spec: {containers: [{name: c}]}}\n", maxTemplates+1), ""},
	"a wrong one": {"kind: Widget\nmetadata: {name: w}\nspec: {template: {spec: {hostUsers: 3, containers: [{name: c}]}}}\n",
		"x.yaml:3: \"3\" is written where true or false belongs\n"},
}

func TestTemplates(t *testing.T) {
	for name, tc := range templates {
		t.Run(name, func(t *testing.T) {
			f := Read("x.yaml", strings.NewReader(tc.text))
			if name == "too many" {
				if len(f.Pods) != maxTemplates || len(f.Problems) != 1 || !strings.Contains(f.Problems[0].Text, "holds more than 256 pods") {
					t.Errorf("%d pods, %v", len(f.Pods), f.Problems)
				}
				return
			}
			got := ""
			for _, p := range f.Pods {
				hints := p.Hints
				p.Hints = nil
				got += show(File{Pods: []Pod{p}})
				for _, key := range slices.Sorted(maps.Keys(p.Annotations)) {
					got += fmt.Sprintf("%s=%s\n", key, p.Annotations[key])
				}
				if p.UserNamespace {
					got += "user namespace\n"
				}
				if p.RuntimeClass != "" {
					got += "runtime class " + p.RuntimeClass + "\n"
				}
				for _, h := range hints {
					got += "hint: " + h + "\n"
				}
			}
			f.Pods = nil
			got += show(f)
			if want := strings.TrimPrefix(tc.want, "\n"); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// Aliases that stand for each other many times over must not take the machine's time.
func TestAliasesAreBounded(t *testing.T) {
	text := "kind: A\nx0: &x0 {spec: {containers: [{name: c}]}}\n"
	for i := range 12 {
		text += fmt.Sprintf("x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i), 10), ", "))
	}
	for _, form := range []string{text, strings.Replace(text, "x12: &x12", "items:", 1)} {
		f := Read("x.yaml", strings.NewReader(form))
		if len(f.Problems) == 0 || len(f.Pods) > maxAliased {
			t.Errorf("%d pods, %d problems", len(f.Pods), len(f.Problems))
		}
	}
}
