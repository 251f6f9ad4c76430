// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
)

func checkKernel(f *Facts) []Finding {
	const check = "kernel"
	var major, minor int
	if _, err := fmt.Sscanf(f.Kernel.Release, "%d.%d", &major, &minor); err != nil {
		return cannotTell(check, fmt.Sprintf("a release %q", f.Kernel.Release))
	}
	switch found := "Linux " + f.Kernel.Release; {
	case major < 5 || major == 5 && minor < 6:
		return one(check, Problem, found+" has no openat2(2): the agent looks up no device", "use Linux 5.6 or later; 6.3 for user namespaces with all volumes")
	case major == 5 && minor < 19:
		return one(check, Warning, found+": no id-mapped overlayfs, so pods with a user namespace start slowly or not at all", "use Linux 6.3 or later")
	default:
		return one(check, OK, found, "")
	}
}

func checkLSM(f *Facts) []Finding {
	const check = "lsm"
	if !f.Kernel.LSM.OK() {
		out := cannotTell(check, f.Kernel.LSM.Unknown)
		if out[0].Remedy == "" {
			out[0].Remedy = "mount -t securityfs securityfs /sys/kernel/security"
		}
		return out
	}
	found := list(f.Kernel.LSM.Value)
	if f.Kernel.Enforce {
		found += "; SELinux enforces, and shadow nodes are labelled container_file_t"
	}
	return one(check, OK, found, "")
}

func checkCgroup(f *Facts) []Finding {
	const check = "cgroup"
	v := f.Cgroup.Version
	switch {
	case !v.OK:
		return cannotTell(check, "/sys/fs/cgroup is mounted in neither way that containers get")
	case v.Value == policy.CgroupV1 && f.Policy.Changes(change.KindCgroup):
		return one(check, Warning, "v1, where a writable cgroup is systemd's named hierarchy alone", "boot with systemd.unified_cgroup_hierarchy=1")
	case v.Value == policy.CgroupV1:
		return one(check, OK, "v1", "")
	case !f.Cgroup.NSDelegate.OK():
		return cannotTell(check, f.Cgroup.NSDelegate.Unknown)
	case !f.Cgroup.NSDelegate.Value:
		return one(check, Warning, "v2 without nsdelegate: a writable cgroup is refused in pods without a user namespace",
			"mount -o remount,nsdelegate /sys/fs/cgroup in the node's own cgroup namespace; systemd does so at boot")
	}
	return one(check, OK, "v2 with nsdelegate", "")
}

func checkCgroupDriver(f *Facts) []Finding {
	const check = "cgroup-driver"
	all := handlers(f)
	if all == nil {
		return cannotTell(check, f.terms().name+"'s handlers are not known")
	}
	name := defaultHandler(f)
	write := func(systemd bool) string {
		option := fmt.Sprintf("SystemdCgroup = %t in the options of handler %q", systemd, name)
		if f.terms() == crioTerms {
			option = fmt.Sprintf("cgroup_manager = %q under [crio.runtime]", map[bool]string{true: "systemd", false: "cgroupfs"}[systemd])
		}
		return fmt.Sprintf("write %s in %s, cgroupDriver of the kubelet to match, and restart both", option, where(f))
	}
	switch systemd := all[name].SystemdCgroup; {
	case systemd && !f.Kernel.Systemd:
		return one(check, Problem, "systemd, which does not run this node: no container starts", write(false))
	case systemd:
		return one(check, OK, "systemd", "")
	case f.Kernel.Systemd && f.Cgroup.Version.Value == policy.CgroupV2:
		return one(check, Warning, "cgroupfs on a node that systemd runs: two that manage one tree", write(true))
	}
	return one(check, OK, "cgroupfs", "")
}

func checkUserNamespaces(f *Facts) []Finding {
	const check = "user-namespaces"
	switch {
	case f.Kernel.UserNamespace.Unknown == needsRoot:
		return cannotTell(check, needsRoot)
	case !f.Kernel.UserNamespace.OK():
		return one(check, Problem, f.Kernel.UserNamespace.Unknown, "raise /proc/sys/user/max_user_namespaces, and see that no security module forbids them")
	case !f.Runtime.OK():
		return one(check, OK, "the kernel makes them; the runtime is not known", "")
	case len(f.Runtime.Value.UserNamespaces) == 0:
		return one(check, Warning, "the kernel makes them, and this "+f.terms().name+" does not: no pod can have hostUsers: false", "use containerd 2.0 or later, or CRI-O, with runc 1.2 or later or crun")
	}
	return one(check, OK, "the kernel makes them, and so does "+f.terms().name, "")
}

func checkIDMaps(f *Facts) (out []Finding) {
	for _, m := range f.Kernel.IDMaps {
		one := Finding{Check: "id-mapped-mounts", Subject: m.What, Status: OK, Found: "work"}
		switch {
		case !m.Err.OK():
			one = cannotTell(one.Check, m.Err.Unknown)[0]
			one.Subject = m.What
		case m.Err.Value != nil:
			one.Status, one.Found = Warning, fmt.Sprintf("do not work (%s): pods with a user namespace cannot have volumes there", m.Err.Value)
			one.Remedy = "use Linux 6.3 or later, and a file system that has them: ext4, xfs, btrfs, tmpfs"
		}
		out = append(out, one)
	}
	return out
}

func checkMknod(f *Facts) (out []Finding) {
	const check = "mknod"
	shadow := Finding{Check: check, Subject: "shadow_dir", Status: OK, Found: "device nodes can be made and opened"}
	var typed *host.ShadowDirError
	switch err := f.Shadows.Value; {
	case f.Shadows.Unknown != "":
		shadow = cannotTell(check, f.Shadows.Unknown)[0]
		shadow.Subject = "shadow_dir"
	case errors.As(err, &typed):
		shadow.Status, shadow.Remedy = Problem, typed.Remedy
		shadow.Found = fmt.Sprintf("%s: %s: pods with a user namespace get no device", typed.Dir, typed.Problem)
		if typed.Err != nil {
			shadow.Found += fmt.Sprintf(" (%s)", typed.Err)
		}
	}
	out = append(out, shadow)
	if !f.Kernel.UserNamespace.OK() {
		return out
	}
	inside := Finding{Check: check, Subject: "in a user namespace", Status: OK, Found: "EPERM for devices; the whiteout 0:0 can be made"}
	switch n := f.Kernel.UserNamespace.Value; {
	case n.Device == 0:
		inside.Status, inside.Found = Warning, "makes device nodes, which nothing can open (Linux 4.18 did that)"
		inside.Remedy = "use Linux 5.6 or later"
	case n.Device != unix.EPERM || n.Whiteout != 0:
		inside.Status = Warning
		inside.Found = fmt.Sprintf("device: %s; whiteout 0:0: %s", answer(n.Device), answer(n.Whiteout))
		inside.Remedy = "see what forbids it (a security module, a seccomp filter): images with whiteouts do not unpack there"
	}
	return append(out, inside)
}

// checkConfined is about a node that is a container itself.
func checkConfined(f *Facts) []Finding {
	const check = "confinement"
	if !f.Confined.OK() {
		return cannotTell(check, f.Confined.Unknown)
	}
	switch e := f.Confined.Value; {
	case e == nil:
		return one(check, OK, "none: the node can make and open what the policy grants", "")
	case !e.AgentAlone.OK:
		return one(check, Warning, e.Error(), e.Remedy())
	case e.AgentAlone.Value:
		return one(check, OK, e.Error()+"; that is its own container's, and binds no other", "")
	default:
		return one(check, Problem, e.Error(), e.Remedy())
	}
}

func answer(e unix.Errno) string {
	if e == 0 {
		return "can be made"
	}
	return unix.ErrnoName(e)
}
