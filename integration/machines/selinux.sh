# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Done on this machine to the furnished root of another, $1: what selinux-activate and a
# relabelling boot would do there under emulation.
root=$1

sed -i 's/^SELINUX=.*/SELINUX=permissive/' "$root/etc/selinux/config"
grep -q '^SELINUXTYPE=default' "$root/etc/selinux/config"
sed -i 's/enable_selinux = false/enable_selinux = true/' "$root/etc/containerd/config.toml"
grep -q 'enable_selinux = true' "$root/etc/containerd/config.toml"

# containerd makes a user namespace with a process that it traces, of which the policy does
# not know.
printf '%s\n' '(allow dockerd_t dockerd_t (process (ptrace)))' >"$root/root/containerd-userns.cil"
chroot "$root" semodule -N -i /root/containerd-userns.cil

# Debian's policy knows containerd and runc in Debian's own folders. As
# semanage fcontext -a -e writes it.
contexts=/etc/selinux/default/contexts/files
printf '%s\n' '/usr/local/bin /usr/bin' '/usr/local/sbin /usr/sbin' >>"$root$contexts/file_contexts.subs"
chroot "$root" setfiles -F "$contexts/file_contexts" /
