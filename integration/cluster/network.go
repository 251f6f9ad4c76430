// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"os/exec"
	"strconv"
)

// connectScript lays a cable from the first node's bridge to that of another, and tells
// both the way to each other's pods.
const connectScript = `set -eu
first=$1 other=$2 number=$3
on() {
	at=$1
	shift
	nsenter --target "$at" --net -- ip "$@"
}
on "$first" link add "node$number" type veth peer name uplink netns "$other"
on "$first" link set "node$number" master node0 up
on "$other" link set uplink master node0 up
on "$other" route replace default via 10.89.0.1
on "$first" route replace "10.88.$number.0/24" via "10.89.0.$number"`

// joinNetwork connects a node with the first one, and by that with all others.
func (c *Cluster) joinNetwork(n *Node) error {
	if n == c.Node {
		return nil
	}
	out, err := exec.Command("sh", "-c", connectScript, "connect", strconv.Itoa(c.machine.pid), strconv.Itoa(n.machine.pid), strconv.Itoa(n.number)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("connecting %s: %w: %s", n.Name, err, out)
	}
	return nil
}
