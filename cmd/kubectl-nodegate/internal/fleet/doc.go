// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package fleet finds the agents of a cluster and asks them, with the rights of the user
// who runs it. The agents have no access to the API server: a question is a command of the
// nodegate program in an agent's container, as kubectl exec runs it. What is asked, and
// what an answer means, this package does not know.
package fleet
