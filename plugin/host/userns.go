// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"os"
	"strings"
)

// maxUserNamespaces is a setting of the kernel that it has if it has user namespaces.
const maxUserNamespaces = "/proc/sys/user/max_user_namespaces"

// UserNamespaces reports whether the kernel makes user namespaces. An agent in a
// container may not see the node's settings, and its own /proc shows the same.
func (h *Host) UserNamespaces() (bool, error) {
	most, err := h.ReadFile(maxUserNamespaces, 32)
	if absent(err) {
		most, err = os.ReadFile(maxUserNamespaces)
	}
	if absent(err) {
		return false, nil
	}
	return strings.TrimSpace(string(most)) != "0", err
}
