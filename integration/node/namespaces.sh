# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Holds the node's mount and network namespace open and cleans up when the node ends:
#
#   sh -c "$script" nodegate-node DIR CGROUP CGROUP_MODE
#
# It prints "ready" when the namespaces are set up, then waits for the end of its
# standard input: that comes when the node is closed, and when the process that owns
# it dies of whatever, a test's time limit or a kill -9 included. So there is one way
# of cleaning up, not one for good days only.
set -eu
dir=$1 cgroup=$2 mode=$3

# What the host mounts later is seen here, what is mounted here is not seen there;
# shared again below that, for volumes with Bidirectional propagation.
mount --make-rslave /
mount --make-rshared /
# Hard-coded in containerd's shim (sockets) and in libcni (its cache).
mount --bind "$dir/run" /run/containerd
mount --bind "$dir/cni-cache" /var/lib/cni
ip link set lo up

if [ "$mode" = v2 ]; then
	# The options are those of the machine's one hierarchy: a mount without them would
	# take them away from everybody.
	options=$(awk '$3 == "cgroup2" { print $4; exit }' /proc/self/mounts)
	umount -l -R /sys/fs/cgroup
	mount -t cgroup2 -o "${options:-rw}" none /sys/fs/cgroup
fi

echo ready
while read -r _; do :; done

# members prints the processes that share this mount namespace (containerd, its shims
# and what they run) and those in the node's cgroups (the containers).
members() {
	own=$(readlink /proc/self/ns/mnt)
	for p in /proc/[0-9]*; do
		pid=${p#/proc/}
		[ "$pid" = $$ ] && continue
		[ "$(readlink "$p/ns/mnt" 2>/dev/null)" = "$own" ] && echo "$pid"
	done
	for d in /sys/fs/cgroup/"$cgroup" /sys/fs/cgroup/*/"$cgroup"; do
		[ -d "$d" ] && find "$d" -name cgroup.procs -exec cat {} +
	done 2>/dev/null
}

set +e
# A process may start another while it is looked for; a second look finds that.
# The subshell of the look itself is gone by the time that it is signalled.
tries=0
while [ $tries -lt 50 ]; do
	alive=0
	for pid in $(members | sort -u); do
		# 0 is a process outside of this PID namespace.
		[ "$pid" != 0 ] && kill -KILL "$pid" 2>/dev/null && alive=1
	done
	[ $alive = 0 ] && break
	tries=$((tries + 1))
	sleep 0.1
done
remove_cgroups "$cgroup"
# Mounts below the directory would be emptied with it: volumes are the host's.
cd /
umount -l "$dir/run" "$dir/cni-cache" 2>/dev/null
awk -v d="$dir/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r m; do
	umount -l "$m"
done
rm -rf --one-file-system "$dir"
