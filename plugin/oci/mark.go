// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import "strings"

const (
	// markPrefix begins the annotations of every known Kubernetes runtime:
	// io.kubernetes.cri.*, io.kubernetes.cri-o.*, and the kubelet's labels
	// io.kubernetes.pod.* and io.kubernetes.container.*.
	markPrefix = "io.kubernetes."

	// managerKey is written by CRI-O, and by Podman.
	managerKey = "io.container.manager"
	podman     = "libpod"

	// podmanPrefix begins annotations of CRI-O that Podman writes as well, for
	// a container in a pod of its own.
	podmanPrefix = "io.kubernetes.cri-o."

	// kubepods begins a part of the cgroup path of every pod: the kubelet
	// chooses it, and a runtime that writes no annotation (cri-dockerd) has it.
	kubepods = "kubepods"
)

// findMark returns what shows that a Kubernetes runtime made a spec, known by
// its name or not: "" if nothing does. It is asked so that a container does not
// run unadjusted because its runtime calls things otherwise.
func findMark(spec, annotations *value) (string, error) {
	manager := ""
	if annotations != nil {
		if err := readEntry(annotations, managerKey, &manager); err != nil {
			return "", err
		}
		for _, k := range annotations.kids {
			if isMark(k.name, manager) {
				return k.name, nil
			}
		}
	}
	if manager != "" && manager != podman {
		return managerKey, nil
	}
	cgroups := ""
	err := spec.read(&cgroups, "linux", "cgroupsPath")
	for part := range strings.FieldsFuncSeq(cgroups, func(r rune) bool { return r == '/' || r == ':' }) {
		if strings.HasPrefix(part, kubepods) {
			return kubepods, err
		}
	}
	return "", err
}

// isMark reports whether an annotation is a Kubernetes runtime's. Of Podman's
// own those are not that Podman writes itself; the kubelet's labels, which
// CRI-O passes on, are never among them, so no pod passes for Podman's.
func isMark(key, manager string) bool {
	if !strings.HasPrefix(key, markPrefix) {
		return false
	}
	return manager != podman || !strings.HasPrefix(key, podmanPrefix)
}
