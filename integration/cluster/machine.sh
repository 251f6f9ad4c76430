# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# The machine of a cluster's one node, as process 1 of namespaces of its own:
#
#   unshare --mount --net --pid --fork --kill-child sh -c "$script" nodegate-cluster DIR BIN
#
# Its files are this machine's under an overlay, so that all that is written on the node
# can be listed, and is gone with it: below DIR/upper is what differs. What the
# node's programs write in bulk has a folder of the disk below DIR/disk, since one
# overlay does not lie on another.
#
# It prints "ready", then waits for the end of its standard input, which comes when the
# cluster is closed and when the process that owns it dies. With process 1 all others end.
set -eu
dir=$1 bin=$2
root=$dir/mem/root

mount --make-rprivate /
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
# Nodes of the same devices, in a folder of its own: what is made there is this node's.
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
cp -ax /dev/. "$root/dev"
rm -rf "$root/dev/.udev"
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
for path in run tmp; do
	mount -t tmpfs -o mode=0755 tmpfs "$root/$path"
done
chmod 1777 "$root/tmp"
for path in var/lib/containerd var/lib/rancher var/lib/kubelet var/lib/etcd var/lib/cni var/log etc/kubernetes; do
	mkdir -p "$root/$path" "$dir/disk/$path"
	mount --bind "$dir/disk/$path" "$root/$path"
done
mkdir -p "$root$bin" "$root$dir" "$root/tmp/old"
mount --bind "$bin" "$root$bin"
mount --bind "$dir" "$root$dir"
mkdir -p "$dir/upper"
mount --bind "$dir/mem/upper" "$root$dir/upper"
cd "$root"
pivot_root . tmp/old
umount -l /tmp/old
rmdir /tmp/old
# Volumes with HostToContainer propagation see what the node mounts later.
mount --make-rshared /

ip link set lo up
ip link add node0 type bridge
ip address add 10.89.0.1/24 dev node0
# Kubernetes' own service: the API server listens there too, so that nothing has to
# translate addresses.
ip address add 10.96.0.1/32 dev node0
ip link set node0 up
echo 1 >/proc/sys/net/ipv4/ip_forward

echo ready
while read -r _; do :; done
