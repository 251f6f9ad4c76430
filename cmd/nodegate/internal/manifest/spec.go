// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"runtime"
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"

	nodegateseccomp "github.com/nodegate/nodegate/plugin/seccomp"
)

// Spec sketches the OCI spec that containerd would make of the container, in
// the members that a policy can change. It says nothing of the image. denied
// are the system calls that are to be denied: the runtime's own seccomp
// profile, which is not at hand, is drawn as one that allows these alone.
func (p *Pod) Spec(c *Container, denied []string) *specs.Spec {
	sets := capabilities(c)
	devices, rules := c.blockVolumes()
	spec := &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			User: specs.User{UID: c.User.UID, GID: c.User.GID}, Args: []string{}, Cwd: "/", Env: slices.Clone(c.Env),
			Capabilities: &specs.LinuxCapabilities{Bounding: sets, Effective: sets, Permitted: sets},
		},
		Mounts: p.mounts(c),
		Linux: &specs.Linux{
			Sysctl:      p.Sysctls,
			Seccomp:     c.Seccomp(denied),
			CgroupsPath: CgroupsPath,
			Namespaces:  p.namespaces(c),
			Devices:     devices,
			Resources:   &specs.LinuxResources{Devices: append([]specs.LinuxDeviceCgroup{{Allow: c.Privileged, Access: "rwm"}}, rules...)},
		},
	}
	if p.UserNamespace {
		spec.Linux.UIDMappings, spec.Linux.GIDMappings = IDMap(), IDMap()
	}
	if !c.Privileged && !c.Unmasked {
		spec.Linux.MaskedPaths = []string{"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
			"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"}
		spec.Linux.ReadonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
	}
	return spec
}

func (p *Pod) namespaces(c *Container) []specs.LinuxNamespace {
	var out []specs.LinuxNamespace
	for _, kind := range []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace,
		specs.MountNamespace, specs.NetworkNamespace, specs.CgroupNamespace, specs.UserNamespace} {
		if !slices.Contains(p.HostNamespaces, kind) && (kind != specs.UserNamespace || p.UserNamespace) &&
			(kind != specs.CgroupNamespace || p.CgroupNamespace) {
			n := specs.LinuxNamespace{Type: kind}
			if kind == specs.PIDNamespace && (p.ShareProcesses || c.Target != "") {
				n.Path = "/proc/PID/ns/pid" // of the sandbox, or of the target
			}
			out = append(out, n)
		}
	}
	return out
}

// Seccomp sketches the container's own profile; nil for none.
func (c *Container) Seccomp(denied []string) *specs.LinuxSeccomp {
	if !c.Confined {
		return nil
	}
	out := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: nodegateseccomp.Architectures(runtime.GOARCH)}
	if len(denied) > 0 {
		out.Syscalls = []specs.LinuxSyscall{{Names: denied, Action: specs.ActAllow}}
	}
	return out
}

// capabilities are containerd's default ones, changed as the manifest says.
func capabilities(c *Container) []string {
	sets := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"}
	if slices.Contains(c.Drop, "ALL") {
		sets = []string{}
	}
	if c.Privileged || slices.Contains(c.Add, "ALL") {
		for _, known := range capability.ListKnown() {
			if name := "CAP_" + strings.ToUpper(known.String()); !slices.Contains(sets, name) {
				sets = append(sets, name)
			}
		}
	}
	for _, name := range c.Add {
		if name == "ALL" {
			continue
		}
		if !slices.Contains(sets, "CAP_"+name) {
			sets = append(sets, "CAP_"+name)
		}
	}
	return slices.DeleteFunc(sets, func(s string) bool { return slices.Contains(c.Drop, s[len("CAP_"):]) })
}
