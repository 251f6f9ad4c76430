# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# The machine of one node, as process 1 of namespaces of its own:
#
#   unshare --mount --net --pid --fork --kill-child sh -c "$script" nodegate-cluster DIR BIN NUMBER
#
# Its files are below DIR/mem/root (owner.sh). What the node's programs write in bulk has a
# folder of the disk below DIR/disk, since one overlay does not lie on another. What a
# machine makes anew at each start is made here: /dev, /run, /tmp, and the network.
#
# It prints "ready", then waits for the end of its standard input, which comes when the
# cluster is closed and when the process that owns it dies, or for a line, after which it
# is started again. With process 1 all others end.
set -eu
dir=$1 bin=$2 number=$3
root=$dir/mem/root

mount --make-rprivate /
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
ip address add "10.89.0.$number/24" dev node0
# Kubernetes' own service: the API server of the first node listens there too, so that
# nothing has to translate addresses.
[ "$number" != 1 ] || ip address add 10.96.0.1/32 dev node0
ip link set node0 up
echo 1 >/proc/sys/net/ipv4/ip_forward

echo ready
if read -r _; then
	exit 64
fi
