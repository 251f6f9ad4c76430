// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recipes

import (
	"strings"
	"testing"
)

// Every recipe is read, and its pod without the profile asks for nothing. A node without a
// kubelet has those that ask it for nothing.
func TestRead(t *testing.T) {
	all, here := ReadAll(t, "../../.."), Read(t, "../../..")
	for title, r := range all {
		asks := r.Manifest(t)
		if byResource := strings.Contains(asks, "\n        nodegate.dev/"); byResource == (here[title] != nil) {
			t.Errorf("%s: by resource %t, on a node without a kubelet %t", title, byResource, here[title] != nil)
		}
		if without := r.Manifest(t, Without()...); strings.Contains(without, "nodegate.dev") {
			t.Errorf("%s: without it the pod asks still:\n%s", title, without)
		}
	}
	if len(here) == 0 || len(all) < len(here)+2 {
		t.Errorf("%d recipes, %d of them without a kubelet", len(all), len(here))
	}
}
