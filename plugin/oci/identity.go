// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"slices"

	"github.com/nodegate/nodegate/plugin/record"
)

// dialect is the annotations in which a Kubernetes runtime says whose a spec is.
type dialect struct {
	kind, sandbox, namespace, pod, container string
}

// What the runtimes write into every spec after the annotations of a pod, and
// over them: containerd from 1.7 on, CRI-O from 1.20 on. CRI-O's lower three
// are labels that the kubelet gives to every container.
// https://github.com/containerd/containerd/blob/v2.4.2/internal/cri/annotations/annotations.go
// https://github.com/cri-o/cri-o/blob/v1.36.3/internal/factory/container/container.go
var dialects = [...]dialect{
	{
		kind: "io.kubernetes.cri.container-type", sandbox: "io.kubernetes.cri.sandbox-id",
		namespace: "io.kubernetes.cri.sandbox-namespace", pod: "io.kubernetes.cri.sandbox-name", container: "io.kubernetes.cri.container-name",
	},
	{
		kind: "io.kubernetes.cri-o.ContainerType", sandbox: "io.kubernetes.cri-o.SandboxID",
		namespace: "io.kubernetes.pod.namespace", pod: "io.kubernetes.pod.name", container: "io.kubernetes.container.name",
	},
}

// identity is who a spec is for. None of it is in the hand of a pod's author,
// who may however have chosen the nonce: only the agent knows the right one.
type identity struct {
	id                        string // from the command line
	kind                      string // "sandbox" or "container"; "" if no dialect says it
	sandbox                   string
	namespace, pod, container string
	nonce                     string

	mark     string // what shows that a Kubernetes runtime made the spec, or ""
	disputed bool   // two dialects say different things
}

func identify(spec *value, id string) (identity, error) {
	who := identity{id: id}
	annotations, err := spec.member("annotations")
	if err != nil {
		return who, err
	}
	if annotations != nil {
		for _, d := range dialects {
			said := identity{id: id}
			if err := said.read(annotations, d); err != nil {
				return who, err
			}
			who.hear(said)
		}
		if err := readEntry(annotations, record.Annotation, &who.nonce); err != nil {
			return who, err
		}
	}
	who.mark, err = findMark(spec, annotations)
	return who, err
}

// read fills in what the annotations of a dialect say.
func (w *identity) read(annotations *value, d dialect) error {
	for key, into := range map[string]*string{
		d.kind: &w.kind, d.sandbox: &w.sandbox, d.namespace: &w.namespace, d.pod: &w.pod, d.container: &w.container,
	} {
		if err := readEntry(annotations, key, into); err != nil {
			return err
		}
	}
	return nil
}

// readEntry decodes the value of a key, if the key is there.
func readEntry(annotations *value, key string, into *string) error {
	value, err := annotations.entry(key)
	if value == nil || err != nil {
		return err
	}
	return value.decode(into)
}

// hear adds what another dialect says. A pod's author can write the keys of the
// runtime that this node does not have: CRI-O lets a pod's annotations through.
// So nothing that two dialects say differently counts in the container's favour.
func (w *identity) hear(said identity) {
	switch {
	case said.kind == "":
	case w.kind == "":
		*w = said
	case *w != said:
		w.disputed = true
	}
}

// isSandbox reports whether the spec is a pod sandbox's, whose id is its own.
func (w identity) isSandbox() bool { return w.kind == "sandbox" && w.sandbox == w.id && !w.disputed }

// needsRecord reports whether the container may run only with its record. What
// is run past Kubernetes (ctr, nerdctl, Docker, Podman) never has one: who can
// do that is root, and no pod can look like it.
func (w identity) needsRecord(config *Settings) bool {
	switch {
	case w.nonce != "" || w.disputed:
		return true
	case w.mark == "":
		return config.Strict
	}
	return !slices.Contains(config.Exempt, w.namespace)
}

// String names the container for a message.
func (w identity) String() string {
	if w.container == "" || w.pod == "" {
		return fmt.Sprintf("container %q", w.id)
	}
	return fmt.Sprintf("container %q of pod %s/%s", w.container, w.namespace, w.pod)
}

// advice says what to do about a container that has no record.
func (w identity) advice(configPath, stateDir string) string {
	agent := "see that the nodegate agent runs on this node"
	if agentAnswers(stateDir) {
		agent = `the agent runs, so see that it is registered, and that handlers under [runtime] in its policy list the pod's runtime handler, "" for the default one (nodegate doctor)`
	}
	switch {
	case w.mark == "" && w.nonce == "":
		return fmt.Sprintf("nothing marks it as Kubernetes', and strict = true in %s refuses it for that", configPath)
	case w.disputed:
		return agent + "; its annotations are those of two runtimes that do not agree, so that no exemption holds"
	case w.kind == "" && w.nonce == "":
		return fmt.Sprintf("%q shows that Kubernetes started it, by a runtime which nodegate-runc does not know: use containerd or CRI-O", w.mark)
	case w.namespace == "":
		return agent
	}
	return fmt.Sprintf("%s, or add %q to exempt_namespaces in %s", agent, w.namespace, configPath)
}
