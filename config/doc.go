// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package config reads nodegate's policy: TOML files in, a compiled
// [policy.Policy] and the agent's own settings out.
//
// Reading is strict. Whatever the policy says and nodegate would not do is an
// error, and every error names the file, the line, what is wrong and what to
// write instead. All that is wrong is reported at once, so that a policy is
// not repaired one line a restart.
//
// Syntax is checked here, and what a single value may be. What profiles and
// grants mean together is the engine's business, in plugin/policy; its
// objections come back with the line they are about. The package asks nothing
// of the node but the files themselves: whether a device exists is found out
// when a container asks for it.
package config
