// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// othersLabel is a label that Kubernetes gives to pods after admission has seen them, or
// their templates.
var othersLabel = regexp.MustCompile(`(^|\.)(kubernetes|k8s)\.io/|^(pod-template-hash|pod-template-generation|controller-revision-hash|controller-uid|job-name)$`)

// requirements returns those of a selector, each as "KEY in =A =B", "KEY notin =A",
// "KEY exists" or "KEY absent". exact is false if some are left out: comparisons of numbers,
// and labels that others set.
func requirements(text string) (list []string, exact bool) {
	selector, err := labels.Parse(text)
	if err != nil { // a compiled policy has none
		return nil, false
	}
	exact = true
	all, _ := selector.Requirements()
	for _, r := range all {
		op := map[selection.Operator]string{
			selection.In: "in", selection.Equals: "in", selection.DoubleEquals: "in",
			selection.NotIn: "notin", selection.NotEquals: "notin",
			selection.Exists: "exists", selection.DoesNotExist: "absent",
		}[r.Operator()]
		if op == "" || othersLabel.MatchString(r.Key()) {
			exact = false
			continue
		}
		one := []string{r.Key(), op}
		for _, value := range r.Values().List() {
			one = append(one, "="+value)
		}
		list = append(list, strings.Join(one, " "))
	}
	return list, exact
}
