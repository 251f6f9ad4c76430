// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// AppArmor says whether the node's kernel confines processes by AppArmor, and
// whether it has loaded a profile, if one is named. Both are asked of the kernel that this
// process runs on, whatever host_root is.
func AppArmor(name string) policy.Known[policy.AppArmor] {
	return appArmor("/sys", "/proc/thread-self", name)
}

func appArmor(sys, thread, name string) (unknown policy.Known[policy.AppArmor]) {
	text, err := os.ReadFile(sys + "/module/apparmor/parameters/enabled")
	switch {
	case errors.Is(err, unix.ENOENT):
		// Only where modules are listed at all does that mean that it is absent.
		if _, err := os.Stat(sys + "/module"); err != nil {
			return unknown
		}
		return policy.Is(policy.AppArmor{})
	case err != nil:
		return unknown
	case strings.TrimSpace(string(text)) != "Y":
		return policy.Is(policy.AppArmor{})
	}
	found := policy.AppArmor{Enabled: true}
	if name != "" {
		found.Loaded = appArmorLoaded(thread, name)
	}
	return policy.Is(found)
}

// appArmorLoaded asks the kernel whether this thread might change to a profile,
// which changes nothing: it answers ENOENT where there is no such profile, and
// EACCES or EPERM where there is one that the thread may not have. The list of
// profiles is on securityfs, which containers do not see. See permprofile in
// https://github.com/torvalds/linux/blob/master/security/apparmor/lsm.c
func appArmorLoaded(thread, name string) (unknown policy.Known[bool]) {
	runtime.LockOSThread() // "thread-self" has to be one thread until the answer
	defer runtime.UnlockOSThread()
	f, err := os.OpenFile(thread+"/attr/apparmor/current", os.O_WRONLY, 0)
	if err != nil {
		return unknown
	}
	defer closeFile(f)
	switch _, err = f.WriteString("permprofile " + name); {
	case err == nil || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return policy.Is(true)
	case errors.Is(err, unix.ENOENT):
		return policy.Is(false)
	}
	return unknown
}
