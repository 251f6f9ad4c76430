// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/nodegate/nodegate/config/deploy"
)

const (
	// perVariable is how many grants are one expression.
	perVariable = 100
	// maxExpression is the longest that CEL takes, in characters.
	maxExpression = 100_000
	// maxObject is below what an API server takes, 1.5 MiB with what it adds itself.
	maxObject = 1 << 20
)

// Render returns the objects as YAML: what kubectl apply takes.
func Render(d Data, name string) (string, error) {
	values := map[string]any{"Name": name, "Labels": literal(map[string]string{"app.kubernetes.io/name": "nodegate"}),
		"Names": literal(d.Names), "Requiring": literal(d.Requiring), "Exclusive": literal(d.Exclusive), "Always": d.Always}
	var grants []string
	first := 1
	for some := range slices.Chunk(d.Grants, perVariable) {
		text := literal(some)
		if len(text) > maxExpression {
			return "", fmt.Errorf("grants %d to %d of the policy are %d characters, and CEL takes %d: list fewer namespaces in one grant, with globs in their place",
				first, first+len(some)-1, len(text), maxExpression)
		}
		grants = append(grants, text)
		first += len(some)
	}
	values["Grants"] = grants
	rules, err := template.New("requests").Parse(string(deploy.Requests()))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := rules.Execute(&out, values); err != nil {
		return "", err
	}
	if out.Len() > maxObject {
		return "", fmt.Errorf("the %d grants of the policy make an object of %d bytes, and an API server takes %d: use globs in the place of lists of namespaces, or leave it to the agent alone",
			len(d.Grants), out.Len(), maxObject)
	}
	return out.String(), nil
}

// literal writes a value as JSON, which CEL reads as its own. No value here can fail.
func literal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
