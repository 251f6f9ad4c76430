// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"fmt"
)

// lanAddress is a machine's own address on the network that it shares with another one.
func lanAddress(number int) string { return fmt.Sprintf("10.77.0.%d", number) }

// Join makes the machine one of the network that it shares with the machine that was
// started Beside it, under a number of its own, and returns its address, which is in
// 10.77.0.0/24. The network is a socket between the two emulators: nobody else is on it.
func (m *Machine) Join(ctx context.Context, number int) (string, error) {
	// Two machines from one saved state have one name and one hardware address.
	const script = `set -e
for nic in /sys/class/net/*; do
	[ "$(cat "$nic/address")" = ` + lanMAC + ` ] || continue
	nic=${nic##*/}
	ip link set "$nic" down
	ip link set "$nic" address "$1"
	ip link set "$nic" up
	ip address replace "$2/24" dev "$nic"
	hostnamectl hostname "$3" 2>/dev/null || hostname "$3"
	exit 0
done
echo "there is no interface with the address ` + lanMAC + `" >&2
exit 1`
	address := lanAddress(number)
	if _, err := m.Run(ctx, "sh", "-c", script, "sh", fmt.Sprintf("52:54:00:77:01:%02x", number), address, fmt.Sprintf("machine-%d", number)); err != nil {
		return "", fmt.Errorf("joining the machines' network: %w", err)
	}
	return address, nil
}

// lanMAC is what the emulator gives each machine's interface at first.
const lanMAC = "52:54:00:77:00:00"
