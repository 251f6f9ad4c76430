// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Each kind has its pods' selectors in another place, and no kind selects all pods.
func TestWorkload(t *testing.T) {
	const pod = `{"spec":{"nodeSelector":{"disk":"ssd"}}}`
	for _, tc := range []struct{ object, pods, nodes string }{
		{`{"kind":"Pod","spec":{"nodeSelector":{"disk":"ssd"}}}`, "", "map[disk:ssd]"},
		{`{"kind":"Deployment","spec":{"selector":{"matchLabels":{"app":"x"}},"template":` + pod + `}}`, "app=x", "map[disk:ssd]"},
		{`{"kind":"Job","spec":{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["x","y"]}]},"template":` + pod + `}}`, "app in (x,y)", "map[disk:ssd]"},
		{`{"kind":"ReplicationController","spec":{"selector":{"app":"x"},"template":` + pod + `}}`, "app=x", "map[disk:ssd]"},
		{`{"kind":"ReplicationController","spec":{"template":` + pod + `}}`, "", "map[disk:ssd]"},
		{`{"kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":` + pod + `}}}}`, "", "map[disk:ssd]"},
		{`{"kind":"Service","spec":{"selector":{"app":"x"}}}`, "", "map[]"},
		{`{"kind":"Deployment","spec":{"selector":null}}`, "", "map[]"},
	} {
		var w workload
		if err := json.Unmarshal([]byte(tc.object), &w); err != nil {
			t.Fatal(err)
		}
		pods := ""
		selector, err := w.pods()
		if selector != nil {
			pods = selector.String()
		}
		if nodes := fmt.Sprint(w.nodeSelector()); err != nil || pods != tc.pods || nodes != tc.nodes {
			t.Errorf("%s: pods %q, nodes %s, %v", tc.object, pods, nodes, err)
		}
	}
}
