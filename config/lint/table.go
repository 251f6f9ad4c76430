// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

// Kind is one kind of finding.
type Kind struct {
	Code     string
	Severity Severity
	Title    string // what is found
	Why      string // as part of a sentence
}

// LoadError is the code of what keeps a policy from loading.
const LoadError = "load_error"

// All is every kind of finding, by what it is about. findings.txt lists them;
// a finding itself says why it is one and what to write instead.
var All = []Kind{
	// Devices.
	{"mknod_access", Warning, "`m` in the access of a device or rule",
		"the OCI runtime lets every container make any device file (c *:* m, b *:* m), so m gives nothing and its absence takes nothing"},
	{"disk", Warning, "a disk, a partition, or what speaks to one directly",
		"whoever opens it reads or writes every file on it, past all permissions"},
	{"kernel_memory", Warning, "`/dev/mem`, `/dev/kmem`, `/dev/port`, model-specific registers",
		"whoever writes it can change the running kernel, and whoever reads it sees all memory"},
	{"console", Warning, "a console of the node",
		"the container can read keys that are typed there, and type some"},
	{"block_wildcard", Warning, "a device-cgroup rule for every block device",
		"it opens every disk of the node to a container with CAP_MKNOD, which containerd gives by default, or with device files in its image"},
	{"reused_number", Warning, "a device-cgroup rule by numbers that are handed out again",
		"such a number belongs to whatever is plugged in or loaded next"},
	{"every_char_device", Warning, "a device-cgroup rule for every character device",
		"it opens /dev/mem and every other one to a device file that the container makes or its image holds"},
	{"rule_in_user_namespace", Warning, "device-cgroup rules for pods that all have a user namespace",
		"no device file can be made there, so the rule opens only those of the image or a volume"},
	{"unmapped_id", Warning, "a uid or gid above 65535 for pods that all have a user namespace",
		"the kubelet maps 65536 ids into a pod by default, so containers are refused"},
	{"closed_mode", Warning, "a mode that denies the access which the device is given with",
		"only a root with CAP_DAC_OVERRIDE can open it, or not the group that the profile names"},
	{"occupied_path", Warning, "a container path at which every pod has something already",
		"the runtime mounts something there, so each container is refused or does not start"},
	{"device_on_tmpfs", Warning, "a device below a tmpfs of the profile, for pods without a user namespace",
		"that tmpfs is mounted nodev, on which no device opens"},
	{"tmpfs_never", Warning, "a tmpfs where every container has a mount already",
		"the container's own mount stays, so it has no effect"},
	{"shared_unit", Warning, "a device of an `exclusive` profile that another granted profile gives as well",
		"a container that gets that one has the device too, beside the one to which it was allotted"},
	// Capabilities.
	{"host_capability", Warning, "a capability that is as good as root on the node, for pods without a user namespace",
		"without a user namespace it is the node's own"},
	{"mknod_capability", Warning, "CAP_MKNOD for pods without a user namespace",
		"a device file on a shared volume can be used outside the pod's device cgroup"},
	{"mknod_and_disks", Warning, "CAP_MKNOD together with a rule for block devices",
		"the container can make and open the node's disks"},
	{"idle_capability", Info, "a capability that has no effect in a user namespace",
		"the kernel asks for it in the node's own user namespace"},
	// AppArmor.
	{"unconfined", Warning, "`apparmor = \"unconfined\"` for pods without a user namespace",
		"the container's root is the node's, and AppArmor no longer keeps it from mounts and from files of /proc and /sys"},
	// Namespaces and conditions.
	{"every_namespace", Warning, "a grant to every namespace",
		"whoever may create a pod anywhere has it"},
	{"namespace_glob", Info, "a grant to namespaces by a glob",
		"whoever may create a namespace of such a name can use the grant"},
	{"narrowed_by_author", Info, "a grant that is narrowed by labels or container names",
		"the pod's author chooses both: they keep nobody out"},
	// Grants.
	{"unused_profile", Info, "a profile that nothing grants",
		"it gives nothing to anybody"},
	{"never_given", Warning, "a grant by which no pod can get the profile",
		"every pod that would get it is refused"},
	{"always_refuses", Warning, "`apply = \"always\"` with a profile that some of the pods cannot have",
		"those pods are refused: they do not start at all"},
	{"always_needs_wrapper", Warning, "`apply = \"always\"` with what only `nodegate-runc` can deliver, for pods that may run without it",
		"a pod under another runtime handler is refused: it does not start at all"},
	{"always_runtime", Warning, "`apply = \"always\"` with what the NRI of some supported release cannot deliver",
		"there the pods are refused: they do not start at all, the cluster's own pods included"},
	{"always_device", Info, "`apply = \"always\"` with a device that has to be there",
		"on a node without the device no container of these namespaces starts"},
	{"denial_on_request", Warning, "a grant that only takes away, on request",
		"it takes away only from those who ask for it"},
	{"accept_nothing", Warning, "a grant that accepts annotations of other tools and offers nothing that they can ask for",
		"every pod with such an annotation is refused, unless another grant offers it"},
	// Seccomp and sysctls.
	{"unknown_syscall", Warning, "the name of a system call that no architecture has",
		"the runtime silently ignores names that it does not know"},
	{"upper_bits", Warning, "a condition on an int argument that looks at its upper 32 bits",
		"a filter compares 64 bits and the kernel uses 32, so the condition can be circumvented"},
	{"other_call", Warning, "a denied system call that has another way around it",
		"another call does the same"},
	{"ping_range", Warning, "`net.ipv4.ping_group_range` with a number above 65535",
		"in a pod with a user namespace the kernel refuses ids that are not mapped, and the container does not start"},
	// Settings.
	{"audit_mode", Info, "`mode = \"audit\"`",
		"nothing is given, taken away or refused"},
	{"open_server", Warning, "`server.listen` at every address of the node",
		"whoever reaches the node reads the metrics, which name namespaces and profiles"},
	// Acceptances.
	{"bad_accept", Warning, "a `nodegate:accept` comment that cannot be read",
		"it accepts nothing"},
	{"unused_accept", Warning, "a `nodegate:accept` comment with nothing to accept",
		"no such finding is on its line"},
}
