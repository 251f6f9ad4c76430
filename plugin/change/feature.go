// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

// Features are what a runtime's NRI does for a plugin, and what it tells one.
type Features uint32

// The features. What a runtime lacks, it drops from a plugin's answer without a
// word, so that nothing is sent that takes a feature which it is not known to
// have.
const (
	// DeliversBasics: mounts, environment variables, and devices with the
	// access rw in pods without a user namespace.
	DeliversBasics Features = 1 << iota
	DeliversAccess          // exactly the access to a device that is granted
	DeliversDeviceRules
	DeliversUserNamespaceDevices // a mount and its device-cgroup rule
	DeliversCDI                  // the CDI devices that a plugin names
	DeliversNamespaces
	DeliversSysctls
	DeliversSeccomp // replaces the profile
	DeliversRlimits

	TellsUser           // the ids of the container's process
	TellsSeccomp        // the container's own profile
	TellsPID            // a process in the pod's namespaces
	TellsHostNamespaces // which namespaces the pod shares with the node
	TellsPIDNamespace   // the container's PID namespace: its own, another's, or the node's

	Validates   // asks the plugin about the adjustment of all plugins
	FailsClosed // refuses a container about which the plugin does not answer
)

// Have reports whether all of some features are among these.
func (f Features) Have(all Features) bool { return f&all == all }
