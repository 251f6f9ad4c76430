#!/usr/bin/env bash
# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# Runs a command, and fails if the command does or if the machine is another afterwards:
#
#   unchanged.sh COMMAND [ARGUMENT...]
#
# The tests run containers, mounts and cgroups as root on the machine of whoever works on
# nodegate, and have to leave it as they found it. What an init system changes by itself
# meanwhile (sessions, timers, units) is left out.
set -euo pipefail
export LC_ALL=C

bin=$(cd "$(dirname "$0")/.." && pwd)/bin
readonly bin

# Each mount with the options of the mount and of its file system: a cgroup2 that was
# mounted anew has lost nsdelegate for everybody.
mounts() {
	sed -E 's/^[0-9]+ [0-9]+ ([^ ]+) (.*)/\2 \1/; s/ (shared|master|propagate_from):[0-9]+//g' /proc/self/mountinfo |
		grep -vE '^[^ ]+ /run/(user|credentials)/' | sort
}

# What the files of /proc/sys hold, unless it counts something or is the kernel's to set.
sysctls() {
	find /proc/sys/{fs,kernel,net,user,vm} -type f -perm -u=w |
		grep -vE '/(random|pty|neigh|route|binfmt_misc|sched_domain)/|/(ns_last_pid|drop_caches|compact_memory|stat_refresh|perf_event_max_sample_rate|[a-z-]*state|flush)$' |
		xargs grep -sH ''
}

# The cgroups at the top of each hierarchy and in this process's own, and wherever they
# are those that a pod, a runtime or a test has named.
cgroups() {
	local own
	find /sys/fs/cgroup -maxdepth 2 -type d
	while IFS=: read -r _ controllers own; do
		[ "$own" = / ] || find "/sys/fs/cgroup/${controllers#name=}$own" "/sys/fs/cgroup/unified$own" -mindepth 1 -maxdepth 1 -type d
	done </proc/self/cgroup
	find /sys/fs/cgroup -mindepth 3 -type d -regextype egrep -regex '.*/[^/]*(nodegate|kubepods|cri-containerd|machine\.slice)[^/]*'
}

# Names, types, owners and modes; in /etc also the time of the last change. Left out is
# what containerd's shims, CNI, mount and iptables keep for themselves once they have run.
files() {
	find /etc -xdev -printf '%p %y %m %U:%G %T@\n' | grep -vE '^/etc( |/(mtab|resolv\.conf|adjtime|\.updated) )'
	find /run /dev -xdev -printf '%p %y %m %U:%G\n' | grep -vE '^/run/(systemd|user|udev|log|lock|dbus|credentials|blkid|utmp|containerd|mount|xtables.lock)[ /.]|^/dev/(char|block|disk|pts)[ /]'
	find /dev/shm /dev/mqueue /var/lib/{containerd,kubelet,nodegate} /opt /usr/local /var/lib -maxdepth 1 -printf '%p %y\n' | grep -v '^/var/lib/cni '
	find "${TMPDIR:-/tmp}" -maxdepth 1 -regextype egrep -regex '.*/(nodegate|Test|probe|runc|containerd|gate)[^/]*'
}

network() {
	ip -o link | sed -E 's/^[0-9]+: ([^:]+):.*/\1/'
	ip -o address | sed -E 's/^[0-9]+: ([^ ]+) +([^ ]+) ([^ ]+).*/\1 \2 \3/'
	ip netns
	# Only where its tables are loaded: asking loads them.
	if [ -s /proc/net/ip_tables_names ] && command -v iptables-save >/dev/null; then
		iptables-save | sed -E 's/\[[0-9:]+\]//; /^#/d'
	fi
}

# Programs that the tests start.
processes() {
	local pid exe
	for pid in /proc/[0-9]*; do
		exe=$(readlink "$pid/exe") || continue
		case $exe in
		"$bin"/* | /probe* | */nodegate* | */containerd* | */conmon* | */etcd | */kube*) echo "${pid#/proc/} $exe $(tr '\0' ' ' <"$pid/cmdline")" ;;
		esac
	done
}

# What vanishes while it is looked at is not there.
snapshot() {
	local what
	mkdir -p "$1"
	for what in mounts sysctls cgroups files network processes; do
		{ "$what" || true; } 2>/dev/null | sort -u >"$1/$what"
	done
}

work=$(mktemp -d "${TMPDIR:-/tmp}/unchanged.XXXXXX")
trap 'rm -rf "$work"' EXIT
snapshot "$work/before"
status=0
"$@" || status=$?
snapshot "$work/after"
# A module that was loaded brings further sysctls, and nobody takes it out again; those of
# an interface come and go with it.
comm -12 <(cut -d: -f1 "$work/before/sysctls" | uniq) <(cut -d: -f1 "$work/after/sysctls" | uniq) >"$work/names"
for side in before after; do
	awk -F: 'NR == FNR { both[$1]; next } $1 in both' "$work/names" "$work/$side/sysctls" >"$work/common"
	mv "$work/common" "$work/$side/sysctls"
done
if ! diff -r -U0 "$work/before" "$work/after" >"$work/difference"; then
	echo "unchanged: $1 left the machine another than it was (- before, + after):" >&2
	grep -vE '^(diff|@@)' "$work/difference" | sed "s#$work/##" >&2
	[ "$status" != 0 ] || status=1
fi
exit "$status"
