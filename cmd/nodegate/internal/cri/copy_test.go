// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A copy keeps what a pod is and none of its privileges, and takes no port of the node.
func TestCopy(t *testing.T) {
	sandbox := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: "vpn", Namespace: "net", Uid: "u", Attempt: 3},
		Labels:       map[string]string{"app": "vpn"},
		PortMappings: []*runtimeapi.PortMapping{{HostPort: 80}},
		Linux:        &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{Privileged: true}},
	}
	ctr := &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "vpn"},
		Command:  []string{"vpn"},
		Mounts:   []*runtimeapi.Mount{{ContainerPath: "/dev", HostPath: "/dev"}, {ContainerPath: "/data", HostPath: "/srv"}},
		Linux: &runtimeapi.LinuxContainerConfig{SecurityContext: &runtimeapi.LinuxContainerSecurityContext{Privileged: true,
			Seccomp: &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Unconfined}}},
	}
	p := &Copy{sandbox: sandbox, containers: []*runtimeapi.ContainerConfig{ctr, {}}, changes: Changes{UserNamespace: true, Confined: true,
		Drop: func(container, path string) bool { return container == "vpn" && path == "/dev" }}}
	p.change()
	if m := sandbox.Metadata; m.Name != "vpn" || m.Namespace != "net" || m.Uid != "" || m.Attempt != 0 || sandbox.Labels["app"] != "vpn" || len(sandbox.PortMappings) > 0 {
		t.Errorf("the pod is %v", sandbox)
	}
	if of := sandbox.Linux.SecurityContext; of.Privileged || of.NamespaceOptions.UsernsOptions.Mode != runtimeapi.NamespaceMode_POD {
		t.Errorf("the pod's rights are %v", of)
	}
	of := ctr.Linux.SecurityContext
	if of.Privileged || len(of.MaskedPaths) == 0 || len(of.ReadonlyPaths) == 0 || of.Seccomp.ProfileType != runtimeapi.SecurityProfile_RuntimeDefault ||
		of.NamespaceOptions.UsernsOptions.Uids[0].Length != idCount {
		t.Errorf("the container's rights are %v", of)
	}
	if len(ctr.Command) != 1 || len(ctr.Mounts) != 1 || ctr.Mounts[0].ContainerPath != "/data" || len(ctr.Mounts[0].UidMappings) != 1 {
		t.Errorf("the container is %v", ctr)
	}
}

// A pod is a kubelet's if it has a file of the kubelet's, and one answers there.
func TestKubeletsPod(t *testing.T) {
	root := t.TempDir()
	p := &Copy{sandbox: &runtimeapi.PodSandboxConfig{Metadata: &runtimeapi.PodSandboxMetadata{Uid: "u"}}}
	own := &runtimeapi.Mount{HostPath: root + "/pods/u/containers/vpn/1"}
	if p.ofKubelet(own) {
		t.Error("no kubelet answers")
	}
	if err := os.Mkdir(filepath.Join(root, "pod-resources"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "pod-resources/kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if !p.ofKubelet(own) || p.ofKubelet(&runtimeapi.Mount{HostPath: root + "/pods/other/containers/vpn/1"}) || p.ofKubelet(&runtimeapi.Mount{HostPath: "/srv"}) {
		t.Error("a kubelet answers, for pod u")
	}
}
