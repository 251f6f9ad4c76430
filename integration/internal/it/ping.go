// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import "github.com/nodegate/nodegate/integration/node"

// PingRange is the sysctl that says who may ping.
const PingRange = "net.ipv4.ping_group_range"

// Pinger is an ordinary user of a container that may not open raw sockets.
var Pinger = node.ContainerConfig{Name: "pinger", RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000)), DropCapabilities: []string{"ALL"}}
