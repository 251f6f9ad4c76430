// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/policy"
)

// Ask is one thing that a container asks for.
type Ask struct {
	What string `json:"what"`
	From string `json:"from"`         // where the manifest says it
	By   string `json:"by,omitempty"` // the profile that offers it; "" where Kubernetes gives it

	path, target string // of a device, on the node and in the container
	sysctl       string
	value        string // of the sysctl
	cdi          string
	cgroup       bool
	capability   string
	unmasked     bool
	family       policy.ThirdParty // of the annotation that asks, or ""
	mount, limit string            // what goes from the manifest

	observed bool   // and not read: the manifest says nothing of it
	access   string // to a device: "r", "w" or "rw"
	rlimit   string // its name; most is its value as a number
	most     uint64
	beyond   []string // system calls
	mounts   bool     // the capability is for mounts
	profile  string   // the built-in one that is for it
}

// needsProfile reports whether only a profile can give it.
func (a *Ask) needsProfile() bool { return a.observed || !a.needsUserNamespace() }

// needsUserNamespace reports whether it reaches the node without one.
func (a *Ask) needsUserNamespace() bool { return a.capability != "" || a.unmasked }

// Given is what the changes of a container name once it has this; "" for what
// shows in no change by a name of its own.
func (a *Ask) Given() string {
	if a.observed && a.capability != "" {
		return "CAP_" + a.capability
	}
	return a.target + a.sysctl + a.cdi
}

// reading is what is read of one container.
type reading struct {
	asks    []Ask
	stays   []string // what nodegate does not give, and that can stay
	blocked []string // why it stays privileged

	nodesMade []string // of devices, which no user namespace lets it
	drops     []string // mounts that go, by their mountPath
}

// read collects what a container asks for.
func (s *Set) read(p *manifest.Pod, c *manifest.Container) reading {
	var r reading
	seen := s.observed(p, c.Name)
	r.mounts(c, seen != nil && c.Privileged)
	r.resources(c)
	r.annotations(p, c)
	r.sysctls(p, c)
	r.capabilities(c)
	if c.Unmasked {
		r.asks = append(r.asks, Ask{What: "an unmasked /proc", From: "procMount", unmasked: true})
	}
	if seen != nil {
		r.observe(c, seen)
	}
	r.asks = slices.DeleteFunc(r.asks, func(a Ask) bool {
		err := s.offerable(&a)
		if err != "" {
			r.cannot(c, "%s (%s): %s", a.What, a.From, err)
		}
		return err != ""
	})
	if c.Privileged && seen == nil && len(r.asks) == 0 && len(r.blocked) == 0 {
		r.blocked = s.unsaid(c)
	}
	for i := range r.asks {
		r.asks[i].What, r.asks[i].From = visible(r.asks[i].What), visible(r.asks[i].From)
	}
	for _, list := range [][]string{r.stays, r.blocked} {
		for i := range list {
			list[i] = visible(list[i])
		}
	}
	return r
}

// visible leaves nothing in others' words that a terminal would obey, or show in
// another order.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // bidirectional marks too
			return '\ufffd'
		}
		return r
	}, text)
}

// cannot notes what no profile gives: a privileged container then stays so.
func (r *reading) cannot(c *manifest.Container, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if c.Privileged {
		r.blocked = append(r.blocked, text)
	} else {
		r.stays = append(r.stays, text)
	}
}

// noDevices lie in /dev and are files, sockets or file systems.
var noDevices = []string{"/dev/shm", "/dev/log", "/dev/hugepages", "/dev/mqueue", "/dev/pts"}

// directories hold devices, such as these.
var directories = map[string]string{"/dev/bus/usb": "001/001", "/dev/dri": "card0", "/dev/infiniband": "uverbs0", "/dev/input": "event0",
	"/dev/net": "tun", "/dev/serial/by-id": "usb-0", "/dev/serial/by-path": "usb-0", "/dev/snd": "controlC0", "/dev/vfio": "vfio"}

func (r *reading) mounts(c *manifest.Container, observed bool) {
	for _, m := range c.Mounts {
		source := path.Clean(m.Source)
		if slices.Contains(m.Options, "rshared") {
			r.cannot(c, "mountPropagation: Bidirectional at %q: Kubernetes allows it for privileged containers only", m.Destination)
		}
		noDevice := slices.ContainsFunc(noDevices, func(d string) bool { return source == d || strings.HasPrefix(source, d+"/") })
		switch {
		case !path.IsAbs(source):
		case source == "/dev" && observed:
			r.drops = append(r.drops, m.Destination)
			r.note("hostPath %q goes: of its devices, those that it opened are asked for", source)
		case source == "/dev" || source == "/":
			r.cannot(c, "what it needs is unknown: hostPath %q holds every device", source)
		case !strings.HasPrefix(source, "/dev/"), noDevice:
			r.stays = append(r.stays, fmt.Sprintf("hostPath %q stays: nodegate gives devices, and no other files of the node", source))
		case directories[source] != "" && path.Clean(m.Destination) != source:
			r.cannot(c, "hostPath %q is a directory, whose devices keep their paths: mount it at %q", source, source)
		case strings.ContainsAny(source, `*?[]\`):
			r.cannot(c, "hostPath %q would be a pattern in a policy: name the device by another path", source)
		default:
			r.asks = append(r.asks, Ask{What: source, From: "hostPath", path: source, target: path.Clean(m.Destination), mount: m.Destination})
		}
	}
}

// plugins are the resources of device plugins whose name tells the device:
// https://github.com/kubevirt/kubevirt, https://github.com/squat/generic-device-plugin
var plugins = map[string]string{
	"devices.kubevirt.io/kvm":         "/dev/kvm",
	"devices.kubevirt.io/tun":         "/dev/net/tun",
	"devices.kubevirt.io/vhost-net":   "/dev/vhost-net",
	"devices.kubevirt.io/vhost-vsock": "/dev/vhost-vsock",
	"squat.ai/fuse":                   "/dev/fuse",
	"squat.ai/kvm":                    "/dev/kvm",
	"squat.ai/tun":                    "/dev/net/tun",
	"smarter-devices/net_tun":         "/dev/net/tun",
}

// deviceOf is the device that a resource stands for, or "". smarter-device-manager
// writes _ for each / of a path, so that one with _ may be another.
func deviceOf(resource string) string {
	if name, ok := strings.CutPrefix(resource, "smarter-devices/"); ok && !strings.Contains(name, "_") {
		return "/dev/" + name
	}
	return plugins[resource]
}

func (r *reading) resources(c *manifest.Container) {
	for _, name := range c.Extended {
		device := deviceOf(name)
		if device == "" {
			r.stays = append(r.stays, fmt.Sprintf("resource %q stays: which devices it stands for is in its device plugin's configuration", name))
			continue
		}
		r.asks = append(r.asks, Ask{What: device, From: "resource " + name, path: device, target: device, limit: name})
	}
}

// safe are the sysctls that Kubernetes sets for every pod:
// https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
var safe = []string{"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem"}

// sysctls are the pod's. Its first container asks for them: what one gets is the pod's.
func (r *reading) sysctls(p *manifest.Pod, c *manifest.Container) {
	if c != &p.Containers[0] {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(p.Sysctls)) {
		if dotted := strings.ReplaceAll(name, "/", "."); !slices.Contains(safe, dotted) {
			r.asks = append(r.asks, Ask{What: name + " = " + p.Sysctls[name], From: "securityContext.sysctls", sysctl: name, value: p.Sysctls[name]})
		}
	}
}

// byDefault are the capabilities that containerd gives to every container.
var byDefault = []string{"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
	"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"}

// ofNode are capabilities that a user namespace takes the effect of: what they
// allow is the whole node's.
var ofNode = []string{"AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "DAC_READ_SEARCH", "IPC_LOCK", "LINUX_IMMUTABLE",
	"MAC_ADMIN", "MAC_OVERRIDE", "PERFMON", "SYSLOG", "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_RAWIO", "SYS_RESOURCE",
	"SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"}

func (r *reading) capabilities(c *manifest.Container) {
	for _, name := range c.Add {
		switch {
		case slices.Contains(byDefault, name):
		case name == "ALL":
			r.cannot(c, "what it needs is unknown: capabilities.add is ALL")
		case slices.Contains(ofNode, name):
			r.cannot(c, "CAP_%s acts on the node, and has no effect with hostUsers: false", name)
		default:
			r.asks = append(r.asks, Ask{What: "CAP_" + name, From: "capabilities.add", capability: name})
		}
	}
}
