// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

// Kind is one kind of finding.
type Kind struct {
	Code     string
	Severity Severity
	Title    string // what is found
	Why      string // as part of a sentence
	Remedy   string // what to do about it, in general
}

// LoadError is the code of what keeps a policy from loading.
const LoadError = "load_error"

// All is every kind of finding, by what it is about. docs/lints.md is written from it.
var All = []Kind{
	// Devices.
	{"mknod_access", Warning, "`m` in the access of a device or rule",
		"the OCI runtime lets every container make any node (c *:* m, b *:* m), so m gives nothing and its absence takes nothing",
		"Leave `m` out. To deny mknod, grant `no-mknod` with `apply = \"always\"`."},
	{"disk", Warning, "a disk, a partition, or what speaks to one directly",
		"whoever opens it reads, or writes, every file on it past all permissions",
		"Give a volume instead. Where the disk itself is meant (storage software), accept the finding and keep the grant to a namespace of its own."},
	{"kernel_memory", Warning, "`/dev/mem`, `/dev/kmem`, `/dev/port`, model-specific registers",
		"who opens it for writing can change the running kernel, and who reads it sees the memory of all processes",
		"Give the device that the software is after, or a sysfs file as a volume."},
	{"console", Warning, "a console of the node",
		"keys typed there can be read, and in part be typed, by the container",
		"Name the devices that are meant, such as `/dev/ttyS0` or `/dev/ttyUSB*`; `/dev/tty*` is consoles as well."},
	{"block_wildcard", Warning, "a device-cgroup rule for every block device",
		"it opens every disk of the node to a container that has CAP_MKNOD, as containerd gives by default, or whose image holds device nodes",
		"Write the major number, or better the device under `devices`."},
	{"reused_number", Warning, "a device-cgroup rule by numbers that are handed out again",
		"such numbers belong to whatever is plugged in or loaded next, on another boot or node to something else",
		"Name the devices by path under `devices`, as in `/dev/ttyUSB*`: those are looked up when a container starts."},
	{"every_char_device", Warning, "a device-cgroup rule for every character device",
		"/dev/mem and every other character device of the node can be opened by a node that the container makes or its image holds",
		"Write the major number, or better the device under `devices`."},
	{"rule_in_user_namespace", Warning, "device-cgroup rules for pods that all have a user namespace",
		"no device node can be made there, so the rule opens those alone that the image or a volume holds",
		"Name the devices under `devices`: they become nodes that the pod owns."},
	{"unmapped_id", Warning, "a uid or gid above 65535 for pods that all have a user namespace",
		"the kubelet maps 65536 ids into a pod by default, so containers are refused",
		"Write a smaller id, or \"user\"; or accept the finding where the kubelet's `userNamespaces.idsPerPod` is larger."},
	{"closed_mode", Warning, "a mode that denies the access which the device is given with",
		"nobody but a root with CAP_DAC_OVERRIDE can open it so, or not the group that the profile names",
		"Write a mode that gives the owner, the group or everybody that access."},
	{"occupied_path", Warning, "a container path at which every pod has something already",
		"the runtime mounts something of its own there, so each container is refused or does not start",
		"Write another `container_path`."},
	{"device_on_tmpfs", Warning, "a device below a tmpfs of the profile, for pods without a user namespace",
		"that tmpfs is mounted nodev, on which no device opens",
		"Put the device elsewhere, or the tmpfs."},
	{"tmpfs_never", Warning, "a tmpfs where every container has a mount already",
		"the container's own mount stays, so nothing comes of it",
		"Leave it out."},
	// Capabilities.
	{"host_capability", Warning, "a capability that is as good as root on the node, for pods without a user namespace",
		"without a user namespace it is the node's own",
		"Write `requires = { user_namespace = true }` in the profile, or `user_namespace = \"required\"` in the grant."},
	{"mknod_capability", Warning, "CAP_MKNOD for pods without a user namespace",
		"a device node that is made on a shared volume can be used by whoever sees the volume outside the pod's device cgroup",
		"Require a user namespace, where only whiteouts and FIFOs are made; or give the node under `devices` instead."},
	{"mknod_and_disks", Warning, "CAP_MKNOD together with a rule for block devices",
		"the container can make and open the node's disks",
		"Give the one device under `devices`, without CAP_MKNOD."},
	{"idle_capability", Info, "a capability that a user namespace makes worthless",
		"the kernel asks for it in the node's own user namespace, which the pod is not in",
		"Leave it out, unless software only looks whether it has it."},
	// AppArmor.
	{"unconfined", Warning, "`apparmor = \"unconfined\"` for pods without a user namespace",
		"the container's root is the node's, and AppArmor no longer keeps it from files of /proc and /sys and from mounts",
		"Write `requires = { user_namespace = true }` in the profile, or an AppArmor profile that allows what is needed."},
	// Namespaces and conditions.
	{"every_namespace", Warning, "a grant to every namespace",
		"whoever may create a pod anywhere, and whoever may create a namespace, has it",
		"Name the namespaces."},
	{"namespace_glob", Info, "a grant to namespaces by a glob",
		"whoever may create a namespace of such a name grants this to himself",
		"Name the namespaces, or see to it by admission who may use the names, and accept the finding."},
	{"narrowed_by_author", Info, "a grant that is narrowed by labels or container names",
		"who creates the pod chooses its labels and the names of its containers: they keep nobody out",
		"Where it is to keep somebody out, use another namespace; where it is for tidiness, accept the finding."},
	// Grants.
	{"unused_profile", Info, "a profile that nothing grants", "it gives nothing to anybody",
		"Grant it, include it in another, or delete it."},
	{"never_given", Warning, "a grant by which no pod can get the profile",
		"every pod that the grant is for, and that would get it, is refused",
		"Change the condition of the grant, or grant the profiles apart."},
	{"always_refuses", Warning, "`apply = \"always\"` with a profile that some of the pods cannot have",
		"those pods are refused: they do not start at all",
		"Narrow the grant, or write `apply = \"on_request\"`."},
	{"always_needs_wrapper", Warning, "`apply = \"always\"` with what only `nodegate-runc` can carry, for pods that may run without it",
		"a pod of the grant's namespaces under another runtime handler is refused: it does not start at all",
		"Make nodegate-runc the default runtime and put `\"\"` into `runtime.handlers`; or, if the profile only gives, narrow the grant by `runtime_handlers`."},
	{"always_runtime", Warning, "`apply = \"always\"` with what the NRI of some supported release cannot deliver",
		"there a pod of the grant's namespaces is refused: it does not start at all, the cluster's own pods included",
		"Say what the nodes run with `nodegate check --runtime`, and only that counts. Else make nodegate-runc the default runtime, or narrow the grant."},
	{"always_device", Info, "`apply = \"always\"` with a device that has to be there",
		"on a node without the device no container of these namespaces starts",
		"Write `optional = true` at the device, or accept the finding where every node has it."},
	{"denial_on_request", Warning, "a grant that only takes away, on request",
		"it takes away from those who ask for it, and from nobody else",
		"Write `apply = \"always\"`."},
	{"accept_nothing", Warning, "a grant that accepts others' annotations and offers nothing that they can ask for",
		"every pod of the namespaces that is so annotated is refused, unless another grant has what it asks for",
		"Write a profile with the very paths that the annotations have, or leave the annotation out of `accept`."},
	// Seccomp and sysctls.
	{"unknown_syscall", Warning, "the name of a system call that no architecture has",
		"the runtime passes over names that it does not know, without a word",
		"Correct the name; the manual page syscalls(2) lists them."},
	{"upper_bits", Warning, "a condition on an int argument that looks at its upper 32 bits",
		"a filter compares all 64 bits and the kernel uses 32, so setting the others walks around it",
		"Write `op = \"SCMP_CMP_MASKED_EQ\"`, `value = 0xffffffff` and the number in `value_two`."},
	{"other_call", Warning, "a denied system call that has another way around it",
		"another call does the same",
		"Deny that one as well."},
	{"ping_range", Warning, "`net.ipv4.ping_group_range` with a number above 65535",
		"in a pod with a user namespace the kernel refuses ids that are not mapped, and the container does not start",
		"Write `\"0 {max_gid}\"`."},
	// Settings.
	{"audit_mode", Info, "`mode = \"audit\"`", "nothing is given, and nothing is taken away or refused",
		"Write `mode = \"enforce\"` when the trial is over."},
	{"open_server", Warning, "`server.listen` at every address of the node",
		"whoever reaches the node reads the metrics, which name namespaces and profiles",
		"Write an address such as `tcp://127.0.0.1:9464`, or a unix socket."},
	// Acceptances.
	{"bad_accept", Warning, "a `nodegate:accept` comment that does not read",
		"it accepts nothing", "Write `# nodegate:accept CODE REASON`."},
	{"unused_accept", Warning, "a `nodegate:accept` comment with nothing to accept",
		"no such finding is on its line", "Delete it, or move it to the line of the finding or right above."},
}
