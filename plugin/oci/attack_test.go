// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/record"
)

// A container runs with another container's record, an older one or none. The wrapper
// refuses it.
func TestAttackRecordOfAnother(t *testing.T) {
	swap := func(n *node, from string) {
		if err := os.Rename(from, n.store.Path("c1")); err != nil {
			n.t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		try  func(n *node) map[string]string // returns the annotations
		want string
	}{
		"an earlier answer again": {func(n *node) map[string]string {
			early := n.decide(mknod)
			n.decide(mknod)
			return early
		}, "is not the one which the agent's answer names"},
		"another container's, renamed": {func(n *node) map[string]string {
			r, err := record.New()
			if err != nil {
				n.t.Fatal(err)
			}
			r.ContainerID, r.Adjustment = "c2", mknod
			if err := n.store.Write(r); err != nil {
				n.t.Fatal(err)
			}
			swap(n, n.store.Path("c2"))
			out := pod("ci")
			out[record.Annotation] = r.Nonce
			return out
		}, `is for container "c2"`},
		"a link to one of the pod's": {func(n *node) map[string]string {
			out := n.decide(mknod)
			n.write("volume.json", readString(n, n.store.Path("c1")), 0o666)
			if err := os.Remove(n.store.Path("c1")); err != nil {
				n.t.Fatal(err)
			}
			if err := os.Symlink(n.path("volume.json"), n.store.Path("c1")); err != nil {
				n.t.Fatal(err)
			}
			return out
		}, "is a symbolic link"},
		"another name of one of the pod's": {func(n *node) map[string]string {
			out := n.decide(mknod)
			n.write("state/volume.json", readString(n, n.store.Path("c1")), 0o666)
			if err := os.Remove(n.store.Path("c1")); err != nil {
				n.t.Fatal(err)
			}
			if err := os.Link(n.path("state/volume.json"), n.store.Path("c1")); err != nil {
				n.t.Fatal(err)
			}
			return out
		}, "others than root can write it"},
		"a folder of records by a link": {func(n *node) map[string]string {
			out := n.decide(mknod)
			dir := filepath.Dir(n.store.Path("c1"))
			if err := os.Rename(dir, n.path("elsewhere")); err != nil {
				n.t.Fatal(err)
			}
			if err := os.Symlink(n.path("elsewhere"), dir); err != nil {
				n.t.Fatal(err)
			}
			return out
		}, "not a directory"},
		"the nonce in capitals": {func(n *node) map[string]string {
			out := n.decide(mknod)
			out[record.Annotation] = strings.ToUpper(out[record.Annotation]) + "A"
			return out
		}, "is not the one which the agent's answer names"},
		"the nonce with a space": {func(n *node) map[string]string {
			out := n.decide(mknod)
			out[record.Annotation] += " "
			return out
		}, "is not the one which the agent's answer names"},
		"the beginning of the nonce": {func(n *node) map[string]string {
			out := n.decide(mknod)
			out[record.Annotation] = out[record.Annotation][:8]
			return out
		}, "is not the one which the agent's answer names"},
		"no nonce at all": {func(n *node) map[string]string {
			out := n.decide(mknod)
			delete(out, record.Annotation)
			return out
		}, "the agent's answer did not arrive"},
		"a cut record": {func(n *node) map[string]string {
			out := n.decide(mknod)
			if err := os.Truncate(n.store.Path("c1"), 60); err != nil {
				n.t.Fatal(err)
			}
			return out
		}, "cannot be trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.spec(0, tc.try(n), "{}")
			n.wantRefused(n.create(), tc.want)
		})
	}
}

// A config.json hides that it is of a pod's container. It is treated as one; what two
// readers could read differently is refused.
func TestAttackConfigOfAContainer(t *testing.T) {
	n := newNode(t)
	const kind = `"io.kubernetes.cri.container-type"`
	for name, tc := range map[string]struct {
		edit func(text string) string
		want string
	}{
		"the type with an escape": {func(s string) string {
			return strings.Replace(s, kind, `"io.kubernetes.cri.container\u002dtype"`, 1)
		}, "has no decision record"},
		"the annotations with an escape": {func(s string) string {
			return strings.Replace(s, `"annotations"`, `"\u0061nnotations"`, 1)
		}, "has no decision record"},
		"the type in capitals": {func(s string) string {
			return strings.Replace(s, kind+`:"container"`, kind+`:"SANDBOX"`, 1)
		}, "has no decision record"},
		"a sandbox of another id": {func(s string) string {
			return strings.Replace(s, kind+`:"container"`, kind+`:"sandbox"`, 1)
		}, "has no decision record"},
		"the type twice": {func(s string) string {
			return strings.Replace(s, kind, kind+`:"sandbox",`+kind, 1)
		}, "twice"},
		"the annotations twice": {func(s string) string {
			return strings.Replace(s, `"annotations"`, `"annotations":{},"annotations"`, 1)
		}, "runtimes would not agree on it"},
		"annotations that are a list": {func(s string) string {
			return strings.Replace(s, `"annotations":{`, `"annotations":[],"x":{`, 1)
		}, "is not an object"},
		"a type that is a number": {func(s string) string {
			return strings.Replace(s, kind+`:"container"`, kind+`:1`, 1)
		}, "number"},
		"a second document":   {func(s string) string { return s + "{}" }, "is not JSON"},
		"a byte order mark":   {func(s string) string { return "\ufeff" + s }, "is not JSON"},
		"a list of documents": {func(s string) string { return "[" + s + "]" }, "is not a JSON object"},
		"10,000 levels": {func(s string) string {
			return strings.Replace(s, `"linux":{}`, `"linux":{"x":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+`}`, 1)
		}, "deep"},
	} {
		t.Run(name, func(t *testing.T) {
			n.t = t
			before := n.spec(0, pod("ci"), "{}")
			after := tc.edit(before)
			if after == before {
				t.Fatal("the edit changes nothing")
			}
			n.write("bundle/config.json", after, 0o640)
			n.wantRefused(n.create(), tc.want)
		})
	}
}

func readString(n *node, file string) string {
	n.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}
