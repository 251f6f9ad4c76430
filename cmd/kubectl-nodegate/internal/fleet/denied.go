// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Rule is a right that a question needs, and what holds it.
type Rule struct {
	holder string // "a ClusterRole", or "a Role in namespace …"
	rule   string // a line of YAML
}

// What this program needs.
var (
	ListNodes = Rule{"a ClusterRole", `{apiGroups: [""], resources: [nodes], verbs: [list]}`}
	ListPods  = Rule{"a ClusterRole", `{apiGroups: [""], resources: [pods], verbs: [list]}`}
)

// ListAgents is the right to find the agents.
func ListAgents(namespace string) Rule {
	return Rule{fmt.Sprintf("a Role in namespace %q", namespace), `{apiGroups: [""], resources: [pods], verbs: [list]}`}
}

// Exec is the right to ask the agents: get where a WebSocket is opened, create also for
// Kubernetes 1.35 and later, and for SPDY.
func Exec(namespace string) Rule {
	return Rule{fmt.Sprintf("a Role in namespace %q", namespace), `{apiGroups: [""], resources: [pods/exec], verbs: [get, create]}`}
}

// DeniedError is a right that is missing.
type DeniedError struct {
	err  error
	rule Rule
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s\nThis rule is missing in %s that you are bound to:\n  - %s", e.err, e.rule.holder, e.rule.rule)
}

func (e *DeniedError) Unwrap() error { return e.err }

// Denied says which rule is missing if that is what the error is about.
func Denied(err error, rule Rule) error {
	var status *apierrors.StatusError
	// What comes through an upgrade of the connection has lost its type.
	if apierrors.IsForbidden(err) || !errors.As(err, &status) && strings.Contains(err.Error(), " is forbidden: ") {
		return &DeniedError{err, rule}
	}
	return err
}
