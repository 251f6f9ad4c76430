// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"
	"testing"

	rendered "github.com/nodegate/nodegate/config/admission"
)

// asking is a pod of so many containers that asks for what nobody has and for what it has.
func asking(containers int) map[string]any {
	var all []any
	for i := range containers {
		all = append(all, map[string]any{"name": fmt.Sprint("c-", i)})
	}
	return map[string]any{"metadata": map[string]any{"name": "p", "labels": map[string]any{"app": "app-7"}, "annotations": map[string]any{"profiles.nodegate.dev/pod": "fuse, tun, kvm"}},
		"spec": map[string]any{"containers": all}}
}

// grants are so many, for namespaces as the format says.
func grants(n int, namespaces string) (d rendered.Data) {
	d.Names = []string{"fuse", "kvm", "nested", "ping", "systemd", "tun"}
	d.Requiring = map[string]string{"nested": "nested"}
	d.Exclusive = []string{}
	for i := range n {
		g := map[string][]string{"profiles": {"fuse", "tun"}, "pods": {fmt.Sprintf("app in =app-%d", i), "tier notin =test"},
			"otherPods": {fmt.Sprintf(`only to pods with labels "app=app-%d,tier!=test"`, i)}}
		name := strings.ReplaceAll(namespaces, "%d", fmt.Sprint(i))
		if strings.Contains(name, "*") {
			g["globs"] = []string{"^" + name + "$"}
		} else {
			g["namespaces"] = []string{name}
		}
		d.Grants = append(d.Grants, g)
	}
	return d
}

// A thousand grants are judged within what the API server allows a policy: 10,000,000 in
// all, 1,000,000 for one expression.
func TestCost(t *testing.T) {
	for _, tc := range []struct {
		name               string
		grants, containers int
		namespaces         string
		within             bool
	}{
		{"a namespace each", 1000, 3, "team-%d", true},
		{"globs", 1000, 3, "team-%d-.*", true},
		{"globs, five times as many", 5000, 3, "team-%d-.*", true},
		{"all for one namespace", 1000, 3, "team-7", true},
		{"more by containers than can be judged", 1000, 60, "team-7", false},
	} {
		d := grants(tc.grants, tc.namespaces)
		for i := range d.Grants {
			if !tc.within {
				d.Grants[i]["containers"], d.Grants[i]["otherContainers"] = []string{fmt.Sprintf("^c-%d.*x$", i)}, []string{"only to another"}
				delete(d.Grants[i], "pods")
			}
		}
		text, err := rendered.Render(d, "nodegate-requests")
		if err != nil {
			t.Fatal(err)
		}
		r := compile(t, text, oldest)
		got := r.judge("Pod", "", asking(tc.containers), nil, "team-7")
		t.Logf("%s: %d grants, %d bytes, cost %d of 10,000,000, %v", tc.name, tc.grants, len(text), got.cost, got.err)
		// What cannot be judged is left to the agent: failurePolicy is Ignore.
		if (got.err == nil) != tc.within || tc.within && !got.denied {
			t.Errorf("%s: %+v", tc.name, got)
		}
		quiet := r.judge("Pod", "", map[string]any{"metadata": map[string]any{"name": "p"}, "spec": map[string]any{"containers": []any{map[string]any{"name": "c"}}}}, nil, "team-7")
		if quiet.denied || quiet.err != nil || quiet.cost > 1000 {
			t.Errorf("%s: a pod that asks for nothing: %+v", tc.name, quiet)
		}
	}
}
