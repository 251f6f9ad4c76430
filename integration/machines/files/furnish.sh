# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Done on this machine to the root of another, $1, which is going to be an image: what a
# first boot would do there under emulation, where it takes minutes.
set -eu
root=$1

# mmdebstrap leaves the device nodes out, and their folder.
mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp"
echo machine >"$root/etc/hostname"
printf '127.0.0.1\tlocalhost\n127.0.1.1\tmachine\n' >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
# With an id it is no first boot, which presets all units anew.
echo 6e6f6465676174656e6f646567617465 >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"

# Nobody logs in, and nothing runs by the clock.
for unit in getty@tty1.service serial-getty@ttyS0.service console-getty.service getty-static.service \
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
	systemd-tmpfiles-clean.timer systemd-networkd-wait-online.service e2scrub_reap.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
mkdir -p "$root/etc/modules-load.d" "$root/etc/sysctl.d"
printf 'overlay\nbr_netfilter\n' >"$root/etc/modules-load.d/kubernetes.conf"
echo 'net.ipv4.ip_forward = 1' >"$root/etc/sysctl.d/kubernetes.conf"

# containerd as its documentation and that of Kubernetes install it.
mkdir -p "$root/etc/containerd"
chroot "$root" containerd config default >"$root/etc/containerd/config.toml"
sed -i -e "s|sandbox = 'registry.*'|sandbox = '$SANDBOX_IMAGE'|" -e "s|sandbox_image = \"registry.*\"|sandbox_image = \"$SANDBOX_IMAGE\"|" \
	-e 's/SystemdCgroup = false/SystemdCgroup = true/' "$root/etc/containerd/config.toml"
grep -q 'SystemdCgroup = true' "$root/etc/containerd/config.toml"
grep -q "$SANDBOX_IMAGE" "$root/etc/containerd/config.toml"
chroot "$root" systemctl --quiet enable containerd.service guest.service

# The modules of the running kernel are not these.
for kernel in "$root"/usr/lib/modules/*; do
	chroot "$root" depmod "$(basename "$kernel")"
done
# AppArmor's profiles of desktop programs take a minute to compile under emulation, and no
# such program is there. Those of containers stay.
find "$root/etc/apparmor.d" -maxdepth 1 -type f ! -name runc ! -name crun ! -name podman ! -name buildah \
	! -name busybox ! -name slirp4netns ! -name unix-chkpwd -delete

rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/boot/initrd.img-*
touch "$root/etc/.updated" "$root/var/.updated"
