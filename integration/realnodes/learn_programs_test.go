// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"slices"
	"strings"

	"github.com/nodegate/nodegate/integration/internal/it"
)

// program is real software that people run privileged.
type program struct {
	name, image string
	command     []string // of the container; default: it sleeps
	volume      string   // a directory that is a volume
	script      string   // what is done with it; it prints ok at its end
	drivers     bool     // needs a kernel that has them
	check       string   // succeeds where the command works, which does not end by itself
}

// busyboxImage is how the engines build an image, and run it.
const busyboxImage = `mkdir -p /b && cd /b && cp /bin/busybox . && printf 'FROM scratch\nCOPY busybox /bin/busybox\nRUN ["/bin/busybox", "touch", "/built"]\n' >Dockerfile`

// programsLearned are what TestLearn learns from.
var programsLearned = []program{
	{name: "squashfuse", image: "tools",
		script: "cd /tmp && mkdir m && mksquashfs /etc/default i -quiet -no-progress >/dev/null && squashfuse i m && ls m >/dev/null && fusermount3 -u m && echo ok"},
	{name: "serial", image: "tools", drivers: true,
		script: "stty -F /dev/ttyUSB0 115200 raw -echo && exec 3<>/dev/ttyUSB0 && echo hi >&3 && grep -q -m1 hello <&3 && echo ok"},
	{name: "qemu", image: "tools",
		script: `qemu-system-x86_64 -accel kvm -m 64 -machine graphics=off -nodefaults -display none -serial stdio </dev/null >/tmp/log 2>&1 & q=$!
until grep -q SeaBIOS /tmp/log; do kill -0 $q 2>/dev/null || { cat /tmp/log; exit 1; }; sleep 0.5; done
kill $q && echo ok`},
	{name: "wireguard-go", image: "tools",
		script: "mkdir -p /var/run/wireguard && wireguard-go wg0 >/dev/null 2>&1 && ip address add 10.99.0.1/24 dev wg0 && ip link set wg0 up && wg show wg0 >/dev/null && ip link del wg0 && echo ok"},
	{name: "openvpn", image: "tools",
		script: `cd /tmp && openvpn --genkey secret k && peer() {
	openvpn --dev tun --ifconfig 10.8.0.$1 10.8.0.$2 --secret k --cipher AES-256-CBC --remote 127.0.0.1 --lport 119$1 --rport 119$2 >log$1 2>&1 &
}
peer 1 2; a=$!; peer 2 1; b=$!
until grep -q 'Sequence Completed' log1 && grep -q 'Sequence Completed' log2; do kill -0 $a && kill -0 $b || { cat log1 log2; exit 1; }; sleep 0.2; done
kill $a $b && wait && echo ok`},
	{name: "podman", image: "nested", volume: "/var/lib/containers",
		script: busyboxImage + " && podman build --network=none -q -t x . >/dev/null && echo ok"},
	{name: "dockerd", image: "nested", volume: "/var/lib/docker",
		script: busyboxImage + ` && { containerd >/dev/null 2>&1 & c=$!; dockerd --containerd=/run/containerd/containerd.sock >log 2>&1 & d=$!; } # as Debian's units
until docker version >/dev/null 2>&1; do kill -0 $d || { tail -5 log; exit 1; }; sleep 0.5; done
docker build -q -t x . >/dev/null && docker run --rm --network none x /bin/busybox true && kill $d && wait $d && kill $c && echo ok`},
	{name: "systemd", image: it.SystemdImage, command: []string{"/sbin/init"},
		check:  "systemctl -q is-system-running && systemd-run -q --wait --pipe true",
		script: "until systemctl -q is-active sysinit.target; do sleep 0.5; done 2>/dev/null; s=$(systemctl is-system-running --wait); [ $s = running ] && systemd-run -q --wait --pipe true && echo ok || systemctl --failed --no-legend --plain"},
}

// named are those with these names, with a comma between, or all.
func named(names string) (out []program) {
	for _, p := range programsLearned {
		if names == "all" || slices.Contains(strings.Split(names, ","), p.name) {
			out = append(out, p)
		}
	}
	return out
}
