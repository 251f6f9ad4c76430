// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"fmt"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
)

func checkKernel(f *Facts) []Finding {
	var major, minor int
	if _, err := fmt.Sscanf(f.Kernel.Release, "%d.%d", &major, &minor); err != nil {
		return cannotTell(fmt.Sprintf("a release %q", f.Kernel.Release))
	}
	switch found := "Linux " + f.Kernel.Release; {
	case major < 5 || major == 5 && minor < 6:
		return one(Problem, found+" has no openat2(2): the agent looks up no device", "use Linux 5.6 or later; 6.3 for user namespaces with all volumes")
	case major == 5 && minor < 19:
		return one(Warning, found+": no id-mapped overlayfs, so pods with a user namespace start slowly or not at all", "use Linux 6.3 or later")
	default:
		return one(OK, found, "")
	}
}

func checkCgroup(f *Facts) []Finding {
	v := f.Cgroup.Version
	switch {
	case !v.OK:
		return cannotTell("/sys/fs/cgroup is mounted in neither way that containers get")
	case v.Value == policy.CgroupV1 && f.Policy.Changes(change.KindCgroup):
		return one(Warning, "v1, where a writable cgroup is systemd's named hierarchy alone", "boot with systemd.unified_cgroup_hierarchy=1")
	case v.Value == policy.CgroupV1:
		return one(OK, "v1", "")
	case !f.Cgroup.NSDelegate.OK():
		return cannotTell(f.Cgroup.NSDelegate.Unknown)
	case !f.Cgroup.NSDelegate.Value:
		return one(Warning, "v2 without nsdelegate: a writable cgroup is refused in pods without a user namespace",
			"mount -o remount,nsdelegate /sys/fs/cgroup in the node's own cgroup namespace; systemd does so at boot")
	}
	return one(OK, "v2 with nsdelegate", "")
}

func checkUserNamespaces(f *Facts) []Finding {
	switch {
	case !f.Kernel.UserNamespaces.OK():
		return cannotTell(f.Kernel.UserNamespaces.Unknown)
	case !f.Kernel.UserNamespaces.Value:
		return one(Problem, "the kernel makes none", "raise /proc/sys/user/max_user_namespaces")
	case !f.Runtime.OK():
		return one(OK, "the kernel makes them; the runtime is not known", "")
	case len(f.Runtime.Value.UserNamespaces) == 0:
		return one(Warning, "the kernel makes them, and this "+f.terms().name+" does not: no pod can have hostUsers: false", "use containerd 2.0 or later, or CRI-O, with runc 1.2 or later or crun")
	}
	return one(OK, "the kernel makes them, and so does "+f.terms().name, "")
}

func checkMknod(f *Facts) []Finding {
	shadow := Finding{Subject: "shadow_dir", Status: OK, Found: "device nodes can be made and opened"}
	var typed *host.ShadowDirError
	switch err := f.Shadows.Value; {
	case f.Shadows.Unknown != "":
		shadow = cannotTell(f.Shadows.Unknown)[0]
		shadow.Subject = "shadow_dir"
	case errors.As(err, &typed):
		shadow.Status, shadow.Remedy = Problem, typed.Remedy
		shadow.Found = fmt.Sprintf("%s: %s: pods with a user namespace get no device", typed.Dir, typed.Problem)
		if typed.Err != nil {
			shadow.Found += fmt.Sprintf(" (%s)", typed.Err)
		}
	}
	return []Finding{shadow}
}

// checkConfined is about a node that is a container itself.
func checkConfined(f *Facts) []Finding {
	if !f.Confined.OK() {
		return cannotTell(f.Confined.Unknown)
	}
	switch e := f.Confined.Value; {
	case e == nil:
		return one(OK, "none: the node can make and open what the policy grants", "")
	case !e.AgentAlone.OK:
		return one(Warning, e.Error(), e.Remedy())
	case e.AgentAlone.Value:
		return one(OK, e.Error()+"; that is its own container's, and binds no other", "")
	default:
		return one(Problem, e.Error(), e.Remedy())
	}
}
