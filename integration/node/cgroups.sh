# SPDX-FileCopyrightText: The nodegate authors
# SPDX-License-Identifier: Apache-2.0

# remove_cgroups NAME removes the cgroups of that name in every hierarchy, with those
# below them. One stays busy for a moment after its last process.
remove_cgroups() {
	tries=0
	while [ $tries -lt 50 ]; do
		left=0
		for d in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
			[ -d "$d" ] || continue
			find "$d" -depth -type d -exec rmdir {} \; 2>/dev/null
			[ -d "$d" ] && left=1
		done
		[ $left = 0 ] && break
		tries=$((tries + 1))
		sleep 0.1
	done
}
