# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Runs the machine of a node, and cleans up when it has ended, of whatever:
#
#   unshare --mount sh -c "$script" nodegate-cluster DIR BIN CGROUP NUMBER MACHINE-SCRIPT
#
# The node's files are this machine's under an overlay, so that all that is written on the
# node can be listed, and is gone with it: below DIR/mem/upper is what differs. They are
# kept here, since they outlive the machine's processes when it starts again, for which it
# ends with status 64.
set -u
dir=$1 bin=$2 cgroup=$3 number=$4 machine=$5
root=$dir/mem/root
# The kubelet sets these for the whole machine. The first node restores them.
sysctls=
[ "$number" != 1 ] || sysctls="vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
for name in $sysctls; do
	eval "was_$(echo "$name" | tr / _)=\$(cat /proc/sys/$name)"
done

(
	set -e
	mkdir -p "$dir/mem"
	# Not on the disk: there the upper layer would be within the lower one.
	mount -t tmpfs -o mode=0755 nodegate-cluster "$dir/mem"
	mkdir "$dir/mem/upper" "$dir/mem/work" "$root"
	mount -t overlay -o "lowerdir=/,upperdir=$dir/mem/upper,workdir=$dir/mem/work" nodegate-cluster "$root"
	# The node is a new one, also where this machine is one that has nodegate.
	for path in etc/nodegate etc/containerd etc/crio etc/cni etc/cdi etc/nri opt/cni opt/nri var/lib/nodegate \
		usr/local/bin/nodegate usr/local/bin/nodegate-runc etc/systemd/system/nodegate.service etc/systemd/system/containerd.service.d; do
		rm -rf "${root:?}/$path"
	done
)
status=$?
[ $status != 0 ] || status=64
while [ $status = 64 ]; do
	unshare --mount --net --pid --fork --kill-child sh -c "$machine" nodegate-cluster "$dir" "$bin" "$number"
	status=$?
	remove_cgroups "$cgroup"
done

for name in $sysctls; do
	eval "echo \$was_$(echo "$name" | tr / _) >/proc/sys/$name"
done
umount -l "$dir/mem"
rm -rf --one-file-system "$dir"
exit $status
