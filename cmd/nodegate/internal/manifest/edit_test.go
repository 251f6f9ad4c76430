// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"strings"
	"testing"
)

// Every byte that is not meant stays as it is, in each style that YAML has.
func TestEdited(t *testing.T) {
	whole := Edit{HostUsers: true, RuntimeClass: "gate", Annotations: map[string]string{"k/a": "x, y"}, Sysctls: []string{"s"},
		Containers: map[string]ContainerEdit{"a": {Unprivileged: true, Mounts: []string{"/d"}, Limits: []string{"r/x"}}}}
	for name, tc := range map[string]struct{ text, want string }{
		"blocks": {`# what
kind: Pod
metadata:
  name: p # its name
spec:
  securityContext:
    sysctls:
    - name: s
      value: "1"

  containers:
  - name: a
    securityContext:
      privileged: true # why
    resources:
      limits:
        r/x: 1
    volumeMounts:
      - name: v
        # deep
        mountPath: /d
      - name: w
        mountPath: /w
  volumes:
  - name: v
    hostPath:
      path: /dev/d

  - name: w
    emptyDir: {}
`, `# what
kind: Pod
metadata:
  annotations:
    k/a: x, y
  name: p # its name
spec:
  hostUsers: false
  runtimeClassName: gate

  containers:
  - name: a
    securityContext:
      privileged: false # why
    volumeMounts:
      - name: w
        mountPath: /w
  volumes:

  - name: w
    emptyDir: {}
`},
		"brackets": {`kind: Pod
metadata: {name: p, annotations: {}}
spec: {hostUsers: true, containers: [{name: a, securityContext: {privileged: true}, volumeMounts: [{name: w, mountPath: '/w,]'}, {name: v, mountPath: /d}]}],
  volumes: [{name: v, hostPath: {path: /dev/d}}, {name: w}]}
`, `kind: Pod
metadata: {name: p, annotations: {"k/a": "x, y"}}
spec: {"runtimeClassName": "gate", hostUsers: false, containers: [{name: a, securityContext: {privileged: false}, volumeMounts: [{name: w, mountPath: '/w,]'}]}],
  volumes: [{name: w}]}
`},
		"a volume of another container": {`kind: Deployment
metadata: {name: p}
spec:
  template:
    spec:
      hostUsers: false
      runtimeClassName: "old"
      containers:
      - name: a
        securityContext: {}
        volumeMounts: [{name: v, mountPath: /d}]
      - name: b
        volumeMounts: [{name: v, mountPath: /d}]
      volumes: [{name: v}]
`, `error`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, eol := range []string{"\n", "\r\n"} {
				lines := strings.NewReplacer("\n", eol)
				before := lines.Replace("kind: Service\n--- # next\n")
				f := ReadToEdit("x.yaml", strings.NewReader(before+lines.Replace(tc.text)))
				if len(f.Pods) != 1 {
					t.Fatal(show(f))
				}
				text, failed := f.Edited(map[int]Edit{0: whole})
				got := strings.TrimPrefix(string(text), before)
				if len(failed) > 0 {
					if got != lines.Replace(tc.text) {
						t.Error("what cannot be edited is edited")
					}
					got = "error"
				}
				if got != lines.Replace(tc.want) {
					t.Errorf("lines end in %q: got\n%swant\n%s", eol, got, tc.want)
				}
			}
		})
	}
}

// What is written once and used elsewhere, or in another form, is left to people.
func TestNotEdited(t *testing.T) {
	for _, text := range []string{
		"kind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - &c {name: a}\n  - <<: *c\n    name: b\n",
		"kind: TaskRun\nmetadata: {name: p}\nspec:\n  taskSpec:\n    steps:\n    - {name: a, image: x}\n",
		`{"apiVersion": "v1", "items": [{"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}}], "kind": "List"}` + "\n",
		"kind: Deployment\nmetadata: {name: p}\nspec:\n  template:\n    metadata:\n    spec: {containers: [{name: a}]}\n",
	} {
		f := ReadToEdit("x.yaml", strings.NewReader(text))
		got, failed := f.Edited(map[int]Edit{0: {HostUsers: true, Annotations: map[string]string{"k": "v"}}})
		if failed[0] == nil || string(got) != text {
			t.Errorf("%v\n%s", failed, got)
		}
	}
}

// A list as kubectl prints it is read an item at a time, and edited as a whole.
func TestEditedList(t *testing.T) {
	const text = "apiVersion: v1\nitems:\n- kind: Pod\n  metadata: {name: p}\n  spec: {containers: [{name: a}]}\n- kind: Pod\n  metadata:\n    name: q\n  spec:\n    containers:\n    - name: a\nkind: List\n"
	f := ReadToEdit("x.yaml", strings.NewReader(text))
	got, failed := f.Edited(map[int]Edit{1: {HostUsers: true}})
	if want := strings.Replace(text, "  spec:\n", "  spec:\n    hostUsers: false\n", 1); string(got) != want || len(failed) > 0 {
		t.Errorf("%v\n%s", failed, got)
	}
}
