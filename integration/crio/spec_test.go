// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package crio

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"

	"github.com/containerd/nri/pkg/api"
)

// labels are the kubelet's.
func (ctr *container) labels() map[string]string {
	name := ctr.name
	if name == "" {
		name = "POD"
	}
	return map[string]string{"io.kubernetes.container.name": name, "io.kubernetes.pod.name": ctr.pod.name,
		"io.kubernetes.pod.namespace": ctr.namespace, "io.kubernetes.pod.uid": "uid-" + ctr.pod.name}
}

// annotate returns the annotations of a spec: those of the pod first, then CRI-O's own,
// then the labels. In an infra container the pod's come last.
func (ctr *container) annotate() map[string]string {
	all := map[string]string{}
	maps.Copy(all, ctr.annotations)
	kind := "container"
	if ctr.name == "" {
		kind = "sandbox"
	}
	maps.Copy(all, map[string]string{
		"io.container.manager": "cri-o", "io.kubernetes.container.hash": "aa7b6a", "io.kubernetes.container.restartCount": "0",
		"io.kubernetes.cri-o.ContainerID": ctr.id, "io.kubernetes.cri-o.ContainerType": kind, "io.kubernetes.cri-o.SandboxID": ctr.pod.id,
		"io.kubernetes.cri-o.Name":        "k8s_" + ctr.name + "_" + ctr.pod.name + "_" + ctr.namespace + "_uid-" + ctr.pod.name + "_0",
		"io.kubernetes.cri-o.SandboxName": "k8s_" + ctr.pod.name + "_" + ctr.namespace + "_uid-" + ctr.pod.name + "_0",
		"io.kubernetes.cri-o.TTY":         "false", "io.kubernetes.cri-o.Stdin": "false", "io.kubernetes.cri-o.SeccompProfilePath": "RuntimeDefault",
		"io.kubernetes.cri-o.Annotations": `{"io.kubernetes.container.hash":"aa7b6a"}`, "platform-runtime-path.crio.io": "",
	})
	if ctr.name == "" {
		maps.Copy(all, ctr.annotations)
	}
	maps.Copy(all, ctr.labels())
	return all
}

// recorded are the annotations of a container that was created.
func (ctr *container) recorded() map[string]string {
	var spec struct{ Annotations map[string]string }
	text, err := os.ReadFile(filepath.Join(ctr.bundle, "config.json"))
	if err == nil {
		err = json.Unmarshal(text, &spec)
	}
	if err != nil {
		return nil
	}
	return spec.Annotations
}

// nriPod is what plugins are told of a pod whose infra container is dropped: no pid,
// and a network namespace's path even with the host's network.
func (ctr *container) nriPod() *api.PodSandbox {
	labels := ctr.labels()
	labels["io.kubernetes.container.name"] = "POD"
	ns := "/var/run/netns/" + ctr.pod.id
	return &api.PodSandbox{Id: ctr.pod.id, Name: ctr.pod.name, Uid: "uid-" + ctr.pod.name, Namespace: ctr.namespace, Labels: labels,
		Annotations: ctr.annotations, RuntimeHandler: "nodegate",
		Linux: &api.LinuxPodSandbox{CgroupParent: "/kubepods/pod" + ctr.pod.name, CgroupsPath: "/kubepods/pod" + ctr.pod.name + "/crio-" + ctr.pod.id,
			Namespaces: []*api.LinuxNamespace{{Type: "pid"}, {Type: "network", Path: ns}, {Type: "ipc", Path: ns}, {Type: "uts", Path: ns}, {Type: "mount"}}}}
}

// nri is what plugins are told of a container: no seccomp profile, and no network
// namespace with the host's network.
func (ctr *container) nri(annotations map[string]string) *api.Container {
	out := &api.Container{Id: ctr.id, PodSandboxId: ctr.pod.id, Name: ctr.name, Labels: ctr.labels(), Annotations: annotations,
		Args: []string{"/probe", "pause"}, Env: []string{"TERM=xterm", "HOSTNAME=" + ctr.pod.name}, Hooks: &api.Hooks{}, User: &api.User{},
		Linux: &api.LinuxContainer{CgroupsPath: "/kubepods/pod" + ctr.pod.name + "/crio-" + ctr.id,
			Namespaces: []*api.LinuxNamespace{{Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}}}}
	if !ctr.host {
		out.Linux.Namespaces = append(out.Linux.Namespaces, &api.LinuxNamespace{Type: "network", Path: "/var/run/netns/" + ctr.pod.id})
	}
	return out
}

// process is CRI-O's own idea of a process, for create and for exec.
func (ctr *container) process(args []string, tty bool) map[string]any {
	return map[string]any{"terminal": tty, "user": map[string]any{"uid": 0, "gid": 0, "additionalGids": []int{0}}, "args": args, "cwd": "/",
		"env": []string{"PATH=/bin"}, "capabilities": map[string]any{"bounding": caps, "effective": caps, "permitted": caps}}
}

func (ctr *container) spec(annotations map[string]string, tty bool) []byte {
	namespaces := []any{map[string]any{"type": "pid"}, map[string]any{"type": "ipc"}, map[string]any{"type": "uts"}, map[string]any{"type": "mount"}}
	if !ctr.host {
		namespaces = append(namespaces, map[string]any{"type": "network"})
	}
	text, err := json.Marshal(map[string]any{
		"ociVersion": "1.3.0", "root": map[string]any{"path": filepath.Join(ctr.bundle, "rootfs")}, "annotations": annotations,
		"process": ctr.process([]string{"/probe", "pause"}, tty),
		"mounts": []any{map[string]any{"destination": "/proc", "type": "proc", "source": "proc"},
			map[string]any{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
			map[string]any{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": []string{"newinstance", "ptmxmode=0666"}}},
		"linux": map[string]any{"namespaces": namespaces, "cgroupsPath": "/crio-" + ctr.id},
	})
	if err != nil {
		panic(err) // of values like these it cannot
	}
	return text
}
