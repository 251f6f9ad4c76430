// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"fmt"
)

// errUnlisted is a registration that the runtime has ended before it had listed its pods
// and containers. A runtime that ends does the same, but not twice.
var errUnlisted = errors.New("registration fails: the runtime closed the connection instead of listing its pods and containers")

// unlisted says what is known of the pods that are too large. The agent is told nothing of
// the one that breaks the list, only of what came before, in this registration or earlier.
func (c *connection) unlisted() error {
	known := c.listed.largest()
	if known == "" {
		known = c.sizes.largest()
	}
	if known != "" {
		known = ", of those known " + known
	}
	return fmt.Errorf("%w: some are too large for it to send (nodegate doctor on the node names them%s), or some have bytes that are not UTF-8, or it did not manage within its limit; until they are deleted no agent gets in, and everything runs without", errUnlisted, known)
}
