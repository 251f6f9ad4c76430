// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes on one machine: etcd, the API server, the
// controllers, the scheduler, the kubelet, containerd and runc, each in its own process
// and at its usual place, in namespaces that end with the cluster.
//
// It has one node, or as many as Options.Nodes says, for some seconds and 300 MB each:
//
//	c, err := cluster.Start(ctx, cluster.Options{Nodes: 2})
//	defer c.Close()
//	second := c.Nodes[1] // "node-2", with files, /dev, network and kubelet of its own
//	err = second.WriteFile("/etc/nodegate/config.toml", policy)
//	out, err := second.Command("rm", "/dev/kvm").CombinedOutput()
//	err = c.Reboot(ctx, second)
//
// What a Cluster does as a node (Command, WriteFile, Import, RestartKubelet, …) its first
// node does, which has the control plane too. Images are given to each node by itself.
//
// A node's files are the machine's under an overlay, so that a test sees all that was
// written there, and nothing of it stays. Devices (but for the nodes in /dev), cgroups and
// the kernel are the machine's own: cgroups are v1 where the machine has the controllers
// there. Nodes are told apart by their cgroups' names.
//
// What runs in the cluster, the chart included, is the tests' affair.
package cluster
