// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes of one node on one machine: etcd, the API
// server, the controllers, the scheduler, the kubelet, containerd and runc, each in its
// own process and at its usual place, in namespaces that end with the cluster.
//
// The node's files are the machine's under an overlay, so that a test sees all that was
// written there, and nothing of it stays. Devices (but for the nodes in /dev), cgroups and
// the kernel are the machine's own: cgroups are v1 where the machine has the controllers
// there.
//
// What runs in the cluster, the chart included, is the tests' affair.
package cluster
