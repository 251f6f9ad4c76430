// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package await waits in a pod for what a chart's hooks wait for: that all pods of a
// DaemonSet are ready. It speaks to the API server as far as that takes, with the pod's
// own service account.
package await
