# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Runs the machine of a cluster, and cleans up when it has ended, of whatever:
#
#   sh -c "$script" nodegate-cluster DIR BIN CGROUP MACHINE-SCRIPT
set -u
dir=$1 bin=$2 cgroup=$3 machine=$4
# The kubelet sets these for the whole machine.
sysctls="vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
for name in $sysctls; do
	eval "was_$(echo "$name" | tr / _)=\$(cat /proc/sys/$name)"
done

unshare --mount --net --pid --fork --kill-child sh -c "$machine" nodegate-cluster "$dir" "$bin"
status=$?

for name in $sysctls; do
	eval "echo \$was_$(echo "$name" | tr / _) >/proc/sys/$name"
done
remove_cgroups "$cgroup"
rm -rf --one-file-system "$dir"
exit $status
