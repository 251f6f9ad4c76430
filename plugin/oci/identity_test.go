// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/nodegate/nodegate/plugin/record"
)

// crioPod is what CRI-O 1.36.3 writes into a container's spec, of what matters
// here: its own keys, and the labels and annotations that the kubelet gave.
func crioPod(namespace string) map[string]string {
	return map[string]string{
		"io.container.manager":              "cri-o",
		"io.kubernetes.cri-o.ContainerType": "container",
		"io.kubernetes.cri-o.ContainerID":   "c1",
		"io.kubernetes.cri-o.SandboxID":     "p1",
		"io.kubernetes.cri-o.SandboxName":   "k8s_build-1_" + namespace + "_uid_0",
		"io.kubernetes.cri-o.Name":          "k8s_main_build-1_" + namespace + "_uid_0",
		"io.kubernetes.container.name":      "main",
		"io.kubernetes.container.hash":      "aa7b6a",
		"io.kubernetes.pod.name":            "build-1",
		"io.kubernetes.pod.namespace":       namespace,
		"io.kubernetes.pod.uid":             "uid",
	}
}

func with(annotations map[string]string, more ...string) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// TestWhoPassesWithoutARecord is the whole rule of which containers run
// unadjusted while nothing is decided about them.
func TestWhoPassesWithoutARecord(t *testing.T) {
	const kubepods = `{"cgroupsPath":"kubepods-burstable-pod1.slice:docker:c1"}`
	n := newNode(t)
	containerd, crio := pod("ci"), crioPod("ci")
	for name, tc := range map[string]struct {
		annotations map[string]string
		linux       string
		refused     string // in the error; "" if it passes
	}{
		"containerd":                {containerd, "", `add "ci" to exempt_namespaces`},
		"containerd, exempt":        {pod("kube-system"), "", ""},
		"CRI-O":                     {crio, "", `container "main" of pod ci/build-1 has no decision record`},
		"CRI-O, exempt":             {crioPod("kube-system"), "", ""},
		"CRI-O, without labels":     {map[string]string{"io.kubernetes.cri-o.ContainerType": "container"}, "", `container "c1" has no decision record`},
		"CRI-O, infra container":    {with(crio, "io.kubernetes.cri-o.ContainerType", "sandbox", "io.kubernetes.cri-o.SandboxID", "c1"), "", ""},
		"another pod's id":          {with(crio, "io.kubernetes.cri-o.ContainerType", "sandbox"), "", "has no decision record"},
		"an unknown runtime's keys": {map[string]string{"io.kubernetes.cri-x.type": "container"}, "", `"io.kubernetes.cri-x.type" shows that Kubernetes started it`},
		"the kubelet's labels only": {map[string]string{"io.kubernetes.pod.namespace": "kube-system"}, "", "which nodegate-runc does not know"},
		"an unknown manager":        {map[string]string{"io.container.manager": "cri-x"}, "", `"io.container.manager" shows`},
		"a pod's cgroup":            {nil, kubepods, `"kubepods" shows that Kubernetes started it`},
		"a pod's cgroup, cgroupfs":  {nil, `{"cgroupsPath":"/k/kubepods/besteffort/pod1/c1"}`, `"kubepods" shows`},

		// What a pod's author can write under CRI-O, which passes it on.
		"CRI-O, as containerd's in an exempt namespace": {
			with(crio, "io.kubernetes.cri.container-type", "container", "io.kubernetes.cri.sandbox-namespace", "kube-system"), "", "two runtimes that do not agree"},
		"CRI-O, as containerd's sandbox": {
			with(crio, "io.kubernetes.cri.container-type", "sandbox", "io.kubernetes.cri.sandbox-id", "c1"), "", "has no decision record"},
		"CRI-O, exempt by containerd's key alone": {with(crio, "io.kubernetes.cri.sandbox-namespace", "kube-system"), "", "has no decision record"},
		"CRI-O, as Podman's":                      {with(crio, "io.container.manager", "libpod"), "", "has no decision record"},
		"a nonce, exempt":                         {with(crioPod("kube-system"), record.Annotation, "0"), "", "has no decision record"},

		// What stays open: who can start these is root.
		"plain runc":                  {nil, "", ""},
		"annotated":                   {map[string]string{"a": "b"}, "", ""},
		"Docker":                      {nil, `{"cgroupsPath":"system.slice:docker:c1"}`, ""},
		"Podman":                      {map[string]string{"io.container.manager": "libpod", "org.opencontainers.image.stopSignal": "15"}, "", ""},
		"Podman's pod":                {map[string]string{"io.container.manager": "libpod", "io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "p1"}, "", ""},
		"Podman's, in a pod's cgroup": {map[string]string{"io.container.manager": "libpod"}, kubepods, "has no decision record"},
	} {
		if tc.linux == "" {
			tc.linux = "{}"
		}
		for _, strict := range []bool{false, true} {
			n.configure(fmt.Sprintf("exempt_namespaces = [\"kube-system\"]\nstrict = %v", strict))
			before := n.spec(0, tc.annotations, tc.linux)
			got, refused := n.create(), tc.refused
			if refused == "" && strict && !marked(tc.annotations) {
				refused = "nothing marks it as Kubernetes', and strict = true in " + n.path("runc.toml")
			}
			switch {
			case refused != "":
				n.wantRefused(got, refused)
			case got.status != 42 || n.config() != before:
				t.Errorf("%+v", got)
			}
			if t.Failed() {
				t.Fatalf("that was %q with strict = %v", name, strict)
			}
		}
	}
}

// marked tells the cases that pass by an exemption or as a sandbox.
func marked(annotations map[string]string) bool {
	return annotations["io.kubernetes.cri.container-type"] != "" ||
		annotations["io.kubernetes.cri-o.ContainerType"] != "" && annotations["io.container.manager"] != "libpod"
}
