// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/plugin/record"
)

// What containerd's CRI plugin writes into every spec, after and over the
// annotations of a pod that an administrator lets through, from 1.7 on:
// https://github.com/containerd/containerd/blob/v2.4.2/internal/cri/annotations/annotations.go
const (
	annotationType      = "io.kubernetes.cri.container-type"
	annotationSandbox   = "io.kubernetes.cri.sandbox-id"
	annotationNamespace = "io.kubernetes.cri.sandbox-namespace"
	annotationPod       = "io.kubernetes.cri.sandbox-name"
	annotationContainer = "io.kubernetes.cri.container-name"
)

// identity is who a spec is for. None of it is in the hand of a pod's author,
// who may however have chosen the nonce: only the agent knows the right one.
type identity struct {
	id                        string // from the command line
	kind                      string // "sandbox", "container", or "" if Kubernetes has no part in it
	sandbox                   string
	namespace, pod, container string
	nonce                     string
}

func identify(spec *node, id string) (identity, error) {
	who := identity{id: id}
	annotations, err := spec.member("annotations")
	if annotations == nil || err != nil {
		return who, err
	}
	for key, into := range map[string]*string{
		annotationType: &who.kind, annotationSandbox: &who.sandbox, annotationNamespace: &who.namespace,
		annotationPod: &who.pod, annotationContainer: &who.container, record.Annotation: &who.nonce,
	} {
		value, err := annotations.entry(key)
		if err != nil {
			return who, err
		}
		if value != nil {
			if err := value.decode(into); err != nil {
				return who, err
			}
		}
	}
	return who, nil
}

// isSandbox reports whether the spec is a pod sandbox's, whose id is its own.
func (w identity) isSandbox() bool { return w.kind == "sandbox" && w.sandbox == w.id }

// isKubernetes reports whether there should be a record. What is run past
// Kubernetes (ctr, nerdctl, Docker) never has one: who can do that is root, and
// no pod can look like it, since containerd always writes the type.
func (w identity) isKubernetes() bool { return w.kind != "" || w.nonce != "" }

// needsRecord reports whether the container may run only with its record.
func (w identity) needsRecord(config *Settings) bool {
	return w.nonce != "" || w.isKubernetes() && !slices.Contains(config.Exempt, w.namespace)
}

// String names the container for a message.
func (w identity) String() string {
	if w.container == "" || w.pod == "" {
		return fmt.Sprintf("container %q", w.id)
	}
	return fmt.Sprintf("container %q of pod %s/%s", w.container, w.namespace, w.pod)
}
