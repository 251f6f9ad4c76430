// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"maps"
	"slices"
	"strings"
)

// listScript prints a line for each file that an installation may leave something in:
// its path, type, mode, owner, and content. What systemd knows of units comes after.
const listScript = `
# systemd may answer late on a busy machine, which systemctl takes for a failure.
export SYSTEMD_BUS_TIMEOUT=3min
ask() {
	for try in 1 2 3 4 5; do
		if said=$(systemctl "$@" --no-legend --plain); then return; fi
		sleep 2
	done
	exit 1
}
for root in /etc /usr/local /opt /var/lib/nodegate /root /run/nodegate /run/nri /dev/.udev /usr/lib/systemd; do
	[ -e "$root" ] || continue
	find "$root" -not -path '/root/*' -not -path /etc/containerd/certs.d -printf '%p %y %m %U:%G %l\n'
	find "$root" -type f -not -path '/root/*' -exec md5sum {} +
done
for dir in / /run /var/lib /usr /dev; do
	# Of the pods' network, from the first pod on.
	find "$dir" -mindepth 1 -maxdepth 1 -not -path /run/netns -not -path /var/lib/cni -printf '%p %y\n'
done
ask list-unit-files
echo "$said" | sed 's/^/unit file /'
ask list-units --all --type=service,socket,target,path,timer -o json
echo "$said" | tr '{' '\n' | sed -n 's/.*"unit":"\([^"]*\)","load":"\([^"]*\)".*/unit \1 \2/p'
ask --failed
echo "$said" | sed 's/^/failed /'
`

// listing is what is on the machine, line by line.
func (m *machine) listing() map[string]bool {
	m.Helper()
	all := map[string]bool{}
	out, err := m.Sh(m.Context(), listScript)
	if err != nil {
		m.Fatal(err)
	}
	for line := range strings.Lines(out) {
		all[strings.TrimSpace(line)] = true
	}
	return all
}

// changes are the lines that were added or went.
func changes(before, after map[string]bool) []string {
	var all []string
	for line := range maps.Keys(after) {
		if !before[line] {
			all = append(all, "+ "+line)
		}
	}
	for line := range maps.Keys(before) {
		if !after[line] {
			all = append(all, "- "+line)
		}
	}
	slices.Sort(all)
	return all
}

// unchanged fails where something is on the machine that was not, or not any more.
func (m *machine) unchanged(before map[string]bool, doing string) {
	m.Helper()
	if left := changes(before, m.listing()); len(left) > 0 {
		m.Errorf("%s changed the machine:\n%s", doing, strings.Join(left, "\n"))
	}
}
