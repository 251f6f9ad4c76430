// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package record keeps decision records: what the agent decided for a
// container, left on the node under the container's id.
//
// A record has two readers. Another agent, which is called beside the one that
// decided during a rolling update, finds the record's nonce in the container's
// annotations ([Annotation]) and stands by. And nodegate-runc, the wrapper of
// the OCI runtime, carries out the Adjustment that NRI could not carry, once
// config.json holds the same nonce: a record whose reply to the runtime got
// lost is then no record of that container.
//
// Both trust a record because only root can have written it, so reading is
// strict about owners, modes and content. The package links neither NRI nor
// anything else that the wrapper would have to pay for at each start.
package record
