// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/plugin/policy"
)

// ContainerID stands for the id that the runtime will draw.
const ContainerID = "CONTAINER-ID"

// CgroupsPath stands for the container's cgroup. What it is called depends on the node's
// cgroup driver and on the pod's quality of service, so it looks like neither driver's.
const CgroupsPath = "/CGROUP-OF-POD/" + ContainerID

// FirstID is the first of the ids of the node that the kubelet gives to pods
// with a user namespace; each gets as many.
const FirstID = 65536

// IDMap is what the pod's id map could be: that of the first such pod.
func IDMap() []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{ContainerID: 0, HostID: FirstID, Size: FirstID}}
}

// Request is what Select needs to know. Without a namespace of its own the pod
// is in the one given.
func (p *Pod) Request(c *Container, namespace, handler string) policy.Request {
	if p.Namespace != "" {
		namespace = p.Namespace
	}
	return policy.Request{Namespace: namespace, Pod: p.Name, Labels: p.Labels, Annotations: p.Annotations,
		Container: c.Name, Handler: handler, Allotted: c.allotted(), UserNamespace: policy.Is(p.UserNamespace)}
}

// allotted stands for what the kubelet will allot; which units those are nobody knows yet.
func (c *Container) allotted() (all policy.Allotted) {
	for profile, n := range c.Resources {
		var units []string
		for i := range n {
			units = append(units, fmt.Sprintf("unit-%d", i+1))
		}
		if all == nil {
			all = policy.Allotted{}
		}
		all[profile] = policy.Is(units)
	}
	return all
}

// Facts is what the runtime would tell of the container. tells says whether it
// is one that tells who the container's user is.
func (p *Pod) Facts(c *Container, tells bool) policy.Container {
	out := policy.Container{ID: ContainerID, HostNamespaces: policy.Is(p.HostNamespaces), Mounts: p.mounts(c),
		CgroupsPath: CgroupsPath, Namespaces: p.namespaces(c)}
	out.PIDNamespace = policy.PIDNamespaceOf(out.Namespaces, p.namespaces(&Container{}))
	if tells {
		out.User, out.Groups = policy.Is(c.User), policy.Is(c.Groups)
	}
	out.Capabilities, out.OwnAppArmor = policy.Is(capabilities(c)), c.OwnAppArmor
	out.Devices, out.DeviceRules = c.blockVolumes()
	out.RuntimeShm = !slices.Contains(p.HostNamespaces, specs.IPCNamespace) &&
		!slices.ContainsFunc(c.Mounts, func(m specs.Mount) bool { return path.Clean(m.Destination) == policy.SharedMemory })
	if c.Privileged {
		out.DeviceRules = append(out.DeviceRules, specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"})
	}
	return out
}

// blockVolumes are the devices and the rules that the runtime makes of block
// volumes, as it does of a device plugin's. Which disks they will be nobody knows
// yet: negative numbers, which no disk has, stand for theirs.
func (c *Container) blockVolumes() (devices []specs.LinuxDevice, rules []specs.LinuxDeviceCgroup) {
	const groupOfDisks = 6 // Debian's and Red Hat's
	for i, v := range c.Devices {
		major, minor := int64(-1), int64(-1-i)
		mode := fs.FileMode(0o660)
		uid, gid := uint32(0), uint32(groupOfDisks)
		devices = append(devices, specs.LinuxDevice{Path: v.Path, Type: "b", Major: major, Minor: minor, FileMode: &mode, UID: &uid, GID: &gid})
		rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "b", Major: &major, Minor: &minor, Access: v.Access})
	}
	return devices, rules
}

// mounts are those of the runtime, of the kubelet, and the container's volumes.
func (p *Pod) mounts(c *Container) []specs.Mount {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}
	for _, path := range []string{"/etc/hosts", c.Message, "/etc/hostname", "/etc/resolv.conf", "/dev/shm"} {
		mounts = append(mounts, specs.Mount{Destination: path, Type: "bind", Source: "kubelet", Options: []string{"rbind", "rprivate", "rw"}})
	}
	mounts = append(mounts, c.Mounts...)
	for i := range mounts {
		if m := &mounts[i]; m.Type == "bind" && p.UserNamespace {
			m.UIDMappings, m.GIDMappings = IDMap(), IDMap() // by which the kubelet has root's files stay root's
		}
	}
	return mounts
}
