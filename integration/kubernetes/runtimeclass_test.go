// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"strings"
	"testing"
)

// A RuntimeClass that somebody has made by hand stays theirs: the chart goes on with it, or
// says what is wrong with it.
func TestRuntimeClassOfOthers(t *testing.T) {
	c := objects(t)
	k := &kube{T: t, Cluster: c.Cluster}
	class := func(handler string) {
		k.apply("apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: nodegate}\nhandler: " + handler + "\n")
	}
	remove := func() { k.do("delete", "runtimeclass", "nodegate", "--ignore-not-found") }
	defer remove()
	k.makeNamespace("classes")
	install := []string{"install", "nodegate", chart, "--namespace", "classes", "--set", "runtimeClass.create=true"}

	class("kata")
	out, err := c.Helm(t.Context(), install...)
	if want := `the cluster has a RuntimeClass "nodegate" whose handler is "kata": delete it`; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("%s: %v, want %s", out, err, want)
	}
	remove()
	class("nodegate")
	for _, args := range [][]string{install, append([]string{"upgrade"}, install[1:]...)} {
		if out := k.helm(args...); !strings.Contains(out, `The RuntimeClass "nodegate" was there before and is not of this release`) {
			t.Errorf("helm %s says nothing of it:\n%s", args[0], out)
		}
	}
	k.helm("uninstall", "nodegate", "--namespace", "classes", "--no-hooks")
	k.do("get", "runtimeclass", "nodegate")
	remove()

	// Its own it makes, keeps over an upgrade, and takes away.
	k.helm(install...)
	k.helm(append([]string{"upgrade"}, install[1:]...)...)
	k.do("get", "runtimeclass", "nodegate")
	k.helm("uninstall", "nodegate", "--namespace", "classes", "--no-hooks")
	if out, err := k.Kubectl(t.Context(), "get", "runtimeclass", "nodegate"); err == nil {
		t.Errorf("it stays: %s", out)
	}
}
