// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package resource makes profiles extended resources of the node: it is a device plugin of
// the kubelet, with one endpoint for each.
//
// It answers the kubelet, and knows what the kubelet has allotted to which container. What
// there is to allot, and what a container gets, others say. See
// https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/
package resource
