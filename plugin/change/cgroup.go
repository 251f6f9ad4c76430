// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package change

import "fmt"

// CgroupDelegation is a cgroup that is to belong to a container's root before
// the container starts, with the files by which it is managed. Its limits stay
// the node's.
type CgroupDelegation struct {
	Path string `json:"path"` // on the node
	UID  uint32 `json:"uid"`  // on the node
	GID  uint32 `json:"gid"`
}

// KindCgroup is a cgroup that the container may manage. The agent hands it over
// between the container's creation and its start.
var KindCgroup = &Kind{
	Key: "cgroup", Field: NodeField, Agent: true,
	Uses: []Use{{"`cgroup = \"writable\"` on cgroup v2", DeliversBasics}},
	in:   func(a *Adjustment) bool { return a.Cgroup != nil },
	copy: func(to, from *Adjustment) { to.Cgroup = from.Cgroup },
	list: func(a *Adjustment) []Change {
		return []Change{{Only: Adjustment{Cgroup: a.Cgroup},
			Text: fmt.Sprintf("= %s owned by %d:%d before the start", a.Cgroup.Path, a.Cgroup.UID, a.Cgroup.GID)}}
	},
	name:  func(a *Adjustment) []string { return []string{"the cgroup " + a.Cgroup.Path} },
	brief: func(*Adjustment) []string { return []string{"cgroup writable"} },
	gives: func(a *Adjustment) bool { return a.Cgroup != nil },
}
