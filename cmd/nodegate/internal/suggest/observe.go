// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
)

// Observed is what was observed of a container of a pod, or nil.
type Observed func(p *manifest.Pod, container string) *evidence.Container

// observe adds what a container used. What it did in vain although it was privileged
// is nothing that it needs.
func (r *reading) observe(c *manifest.Container, e *evidence.Container) {
	if !c.Privileged {
		r.denied(e)
		return
	}
	e = r.systemd(e)
	r.devices(e)
	r.nodes(e)
	r.used(e)
	r.mounted(e)
	r.files(e)
	r.rlimits(e)
	for _, s := range e.Of(evidence.Socket) {
		if s.Error == "" && strings.HasPrefix(s.Socket, "icmp") {
			r.need(Ask{What: "ICMP sockets", From: s.By(), sysctl: "net.ipv4.ping_group_range", value: "0 {max_gid}"})
		}
	}
	r.calls(c, e)
}

// need adds an ask that was observed, unless it is there.
func (r *reading) need(a Ask) {
	a.observed = true
	for i := range r.asks {
		have := &r.asks[i]
		if have.What == a.What || a.target != "" && have.target == a.target {
			if a.access == "rw" || have.access != a.access {
				have.access = "rw"
			}
			return
		}
	}
	r.asks = append(r.asks, a)
}

func (r *reading) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.stays, text) {
		r.stays = append(r.stays, text)
	}
}

func (r *reading) block(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.blocked, text) {
		r.blocked = append(r.blocked, text)
	}
}

// denied is what a container without privileges was denied.
func (r *reading) denied(e *evidence.Container) {
	r.note("it is not privileged: what it was denied is listed, and nothing is proposed from it")
	for _, d := range denials(e) {
		r.note("%s", d.Text())
	}
}

// everybodys are the devices that every container has.
var everybodys = []string{"c 1:3", "c 1:5", "c 1:7", "c 1:8", "c 1:9", "c 5:0", "c 5:1", "c 5:2"}

func isEverybodys(device string) bool {
	return slices.Contains(everybodys, device) || strings.HasPrefix(device, "c 136:")
}

func (r *reading) devices(e *evidence.Container) {
	answered, works := map[string]string{}, map[string]bool{}
	nodes := map[string]string{} // a driver that the first to open it has loaded makes the node then
	for _, o := range e.Of(evidence.Opened) {
		nodes[o.Device] = cmp.Or(nodes[o.Device], o.Node)
		answered[o.Device] = o.Error
		works[o.Device] = works[o.Device] || o.Error == ""
	}
	for _, d := range e.Of(evidence.Device) {
		why, known := answered[d.Device]
		node := cmp.Or(d.Node, nodes[d.Device])
		switch {
		case d.Error != "" || isEverybodys(d.Device):
		case known && !works[d.Device]:
			r.note("%s, and its driver answers %s: it does without", d.Text(), why)
		case node == "":
			r.block("%s: the node has no such device in /dev", d.Text())
		default:
			r.need(Ask{What: d.Path, From: "opened " + d.By(), path: node, target: path.Clean(d.Path), access: d.Access})
		}
	}
}

// nodes are device nodes that it made. In a user namespace it cannot: see nodesOrNamespace.
func (r *reading) nodes(e *evidence.Container) {
	for _, n := range e.Of(evidence.Mknod) {
		opened := slices.ContainsFunc(r.asks, func(a Ask) bool { return a.target != "" && path.Base(a.target) == n.Path })
		switch {
		case n.Error != "":
		case opened:
			r.note("%s: the profile gives it that device node, which it cannot make itself", n.Text())
		default:
			r.nodesMade = append(r.nodesMade, n.Text())
		}
	}
}

// soft are capabilities over the node without which programs usually go on.
var soft = []string{"AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "IPC_LOCK", "LINUX_IMMUTABLE", "SYS_NICE", "SYS_PACCT", "SYS_RESOURCE",
	"SYS_TTY_CONFIG", "WAKE_ALARM"}

// used are the capabilities that it was granted and had need of.
func (r *reading) used(e *evidence.Container) {
	raised := len(e.Of(evidence.Rlimit)) > 0
	for _, c := range e.Of(evidence.Capability) {
		name := c.Capability
		switch {
		case c.Error != "" || c.Optional || c.Over == evidence.OverOther || slices.Contains(byDefault, name):
		case name == "DAC_READ_SEARCH" && c.Call != "open_by_handle_at":
			// CAP_DAC_OVERRIDE, which containers have, is asked for next.
		case name == "SYS_RESOURCE" && raised && slices.Contains([]string{"prlimit64", "setrlimit"}, c.Call):
		case c.Call == "bpf" && makesCgroups(e, c.Program):
			r.note("%s: it makes cgroups, as runtimes of containers do, whose programs for devices are left out with hostUsers: false", c.Text())
		case name == "SYS_MODULE" && !strings.HasSuffix(c.Call, "_module"):
			r.note("%s: the kernel asks it before it loads a module by itself: what takes one needs it loaded on the node", c.Text())
		case slices.Contains(soft, name):
			r.note("%s: it acts on the node, and has no effect with hostUsers: false; whether it goes on without was not seen", c.Text())
		case slices.Contains(ofNode, name):
			r.block("%s, which acts on the node, and has no effect with hostUsers: false", c.Text())
		default:
			r.need(Ask{What: "CAP_" + name, From: c.By(), capability: name})
		}
	}
}

// makesCgroups reports whether a program makes cgroups.
func makesCgroups(e *evidence.Container, program string) bool {
	return slices.ContainsFunc(e.Of(evidence.Cgroup), func(made *evidence.Event) bool { return made.Program == program })
}

// ofPods are the file systems that root of a user namespace may mount: FS_USERNS_MOUNT
// in the kernel's sources.
var ofPods = []string{"binfmt_misc", "bpf", "cgroup", "cgroup2", "devpts", "fuse", "mqueue", "overlay", "proc", "ramfs", "sysfs", "tmpfs"}

func (r *reading) mounted(e *evidence.Container) {
	for _, m := range e.Of(evidence.Mount) {
		switch {
		case m.Error != "":
			continue
		case !slices.Contains(ofPods, m.Filesystem):
			r.block("%s: only the node's root may mount it", m.Text())
		case m.Filesystem == "proc":
			r.need(Ask{What: "an unmasked /proc", From: "mounts proc " + m.By(), unmasked: true})
		}
		for i := range r.asks {
			if r.asks[i].capability == "SYS_ADMIN" {
				r.asks[i].mounts = true // needs an AppArmor profile that lets it
			}
		}
	}
}

// masked are the files of /proc that runtimes hide, and namespaced the beginnings of
// sysctls that are not the node's.
var (
	masked     = []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"}
	namespaced = []string{"/proc/sys/net/", "/proc/sys/kernel/msg", "/proc/sys/kernel/sem", "/proc/sys/kernel/shm", "/proc/sys/kernel/hostname",
		"/proc/sys/kernel/domainname", "/proc/sys/fs/mqueue/", "/proc/sys/user/"}
	readOnly = []string{"/proc/bus/", "/proc/fs/", "/proc/irq/", "/proc/sys/", "/proc/sysrq-trigger"}
)

// below reports whether a path is one of the places, or in one.
func below(at string, places []string) bool {
	return slices.ContainsFunc(places, func(p string) bool { return strings.HasPrefix(at, p) })
}

func (r *reading) files(e *evidence.Container) {
	for _, c := range e.Of(evidence.Cgroup) {
		if c.Error == "" {
			r.need(Ask{What: "a writable cgroup", From: "makes cgroups " + c.By(), cgroup: true})
		}
	}
	for _, f := range e.Of(evidence.File) {
		writes := strings.Contains(f.Access, "w")
		switch {
		case f.Error != "":
		case f.Filesystem == "cgroup" && writes:
			r.need(Ask{What: "a writable cgroup", From: "writes its files " + f.By(), cgroup: true})
		case f.Filesystem == "sysfs" && writes:
			r.block("%s: no profile lets a container write to sysfs", f.Text())
		case f.Filesystem != "proc":
		case below(f.Path, masked):
			r.need(Ask{What: "an unmasked /proc", From: f.Text(), unmasked: true})
		case writes && below(f.Path, namespaced):
			r.need(Ask{What: "an unmasked /proc", From: f.Text(), unmasked: true})
		case writes && below(f.Path, readOnly):
			r.block("%s, which acts on the node", f.Text())
		}
	}
}

func (r *reading) rlimits(e *evidence.Container) {
	for _, l := range e.Of(evidence.Rlimit) {
		if l.Limit == "memlock" && makesCgroups(e, l.Program) {
			continue // for its programs for devices
		}
		value := strconv.FormatUint(l.Value, 10)
		if l.Value == ^uint64(0) {
			value = "unlimited"
		}
		if i := slices.IndexFunc(r.asks, func(a Ask) bool { return a.rlimit == l.Limit }); i >= 0 {
			if r.asks[i].most < l.Value {
				r.asks[i].What, r.asks[i].value, r.asks[i].most = "limit "+l.Limit+" "+value, value, l.Value
			}
			continue
		}
		r.need(Ask{What: "limit " + l.Limit + " " + value, From: l.By(), rlimit: l.Limit, value: value, most: l.Value})
	}
}

const beyondDefault = "system calls beyond the runtime's default: "

// calls are the system calls that the runtime's default profile denies. They are needed
// beside a capability, or where that profile confines the container.
func (r *reading) calls(c *manifest.Container, e *evidence.Container) {
	var beyond []string
	for _, all := range e.Of(evidence.Calls) {
		for _, name := range all.Names {
			// That profile answers clone3 with ENOSYS, and programs then call clone.
			known := name != "" && name[0] > '9' && name != "clone3"
			if known && !slices.Contains(defaultCalls(), name) && !slices.Contains(nodeCalls, name) && !slices.Contains(beyond, name) {
				beyond = append(beyond, name)
			}
		}
	}
	for _, n := range e.Of(evidence.Namespaces) {
		if strings.HasPrefix(n.Call, "clone") && !slices.Contains(beyond, "clone") {
			beyond = append(beyond, "clone") // which is only allowed without a new namespace
		}
	}
	slices.Sort(beyond)
	text := beyondDefault + strings.Join(beyond, ", ")
	capable := slices.ContainsFunc(r.asks, func(a Ask) bool { return a.observed && a.capability != "" })
	switch {
	case len(beyond) == 0:
	case capable || c.WouldConfine:
		r.need(Ask{What: text, From: "made", beyond: beyond})
	default:
		r.note("%s: allowed, since no seccompProfile confines it", text)
	}
}
