// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// at finds the line of a profile's key.
type at func(key string) config.Place

// Names that stand for a family of device nodes: a pattern of the policy that may match
// one of them may match such a device. Patterns here are of path.Match.
var (
	disks = []string{
		"/dev/sd[a-z]*", "/dev/hd[a-z]*", "/dev/vd[a-z]*", "/dev/xvd[a-z]*", "/dev/nvme[0-9]*", "/dev/ng[0-9]*n[0-9]*",
		"/dev/mmcblk[0-9]*", "/dev/md[0-9]*", "/dev/md/*", "/dev/dm-[0-9]*", "/dev/mapper/*", "/dev/bcache[0-9]*", "/dev/zd[0-9]*",
		"/dev/nbd[0-9]*", "/dev/rbd[0-9]*", "/dev/drbd[0-9]*", "/dev/pmem[0-9]*", "/dev/mtd[0-9]*", "/dev/mtdblock[0-9]*",
		"/dev/disk/*/*", "/dev/block/*", "/dev/sg[0-9]*", "/dev/bsg/*",
		"/dev/zvol/*/*", "/dev/zvol/*/*/*", "/dev/longhorn/*", "/dev/ublkb[0-9]*", "/dev/dasd[a-z]*", "/dev/cciss/*", "/dev/ida/*",
		"/dev/drbd/by-*/*/*", "/dev/rbd/*/*", "/dev/stratis/*/*", "/dev/zram[0-9]*", "/dev/rssd[a-z]*", "/dev/loop[0-9]*p[0-9]*", "/dev/etherd/e*",
	}
	diskNames = []string{"/dev/sda", "/dev/sda1", "/dev/sdb", "/dev/vda", "/dev/vda1", "/dev/xvda", "/dev/nvme0n1", "/dev/nvme0n1p1",
		"/dev/mmcblk0", "/dev/mmcblk0p1", "/dev/md0", "/dev/dm-0", "/dev/mapper/root", "/dev/disk/by-id/a", "/dev/sg0", "/dev/bsg/0:0:0:0"}
	memory      = []string{"/dev/mem", "/dev/kmem", "/dev/port", "/dev/cpu/[0-9]*/msr"}
	memoryNames = []string{"/dev/mem", "/dev/kmem", "/dev/port", "/dev/cpu/0/msr"}
	consoles    = []string{"/dev/console", "/dev/tty[0-9]*", "/dev/vcs*", "/dev/vcsa*", "/dev/vcsu*"}
	consoleName = []string{"/dev/console", "/dev/tty0", "/dev/tty1", "/dev/vcs", "/dev/vcs1", "/dev/vcsa1"}
)

// drivers are the directories of /dev that hold no disks. Any other one may be a
// volume group of LVM, whose logical volumes are /dev/GROUP/VOLUME.
var drivers = []string{"accel", "bus", "char", "cpu", "cuse", "dahdi", "dma_heap", "dri", "dvb", "fd", "gpio", "hugepages", "infiniband",
	"input", "mapper", "misc", "mqueue", "net", "nvidia-caps", "nvidia-caps-imex-channels", "pts", "serial", "shm", "snd", "usb", "v4l",
	"vfio", "xen"}

// isVolume reports whether a path has the form of a logical volume's.
func isVolume(p string) bool {
	parts := strings.Split(p, "/")
	return len(parts) == 4 && !strings.HasPrefix(parts[2], ".") && !strings.ContainsAny(parts[2], `*?[\`) && !slices.Contains(drivers, parts[2])
}

// isOne reports whether a path is one of a family, a directory that such are in, or a
// glob that may match one. The control node of the device mapper is not a disk.
func isOne(pattern string, family, names []string) bool {
	like := func(name string) bool {
		return slices.ContainsFunc(family, func(f string) bool {
			if ok, _ := path.Match(f, name); ok {
				return true
			}
			for dir := path.Dir(f); dir != "/dev"; dir = path.Dir(dir) {
				if ok, _ := path.Match(dir, name); ok {
					return true
				}
			}
			return false
		})
	}
	return pattern != "/dev/mapper/control" && (like(anyMatch.ReplaceAllString(pattern, "0")) ||
		like(aClass.ReplaceAllString(pattern, "$1")) ||
		slices.ContainsFunc(names, func(name string) bool { ok, _ := path.Match(pattern, name); return ok }))
}

// What makes one of the names that a glob matches, if not the one that is looked for.
var (
	anyMatch = regexp.MustCompile(`\*|\?|\[[^]]*\]`)
	aClass   = regexp.MustCompile(`\[([^]^])[^]]*\]`)
)

func (l *linter) devices(p *config.Profile, at at) {
	for i, d := range p.Devices {
		key := func(k string) string { return fmt.Sprintf("devices[%d].%s", i, k) }
		what := fmt.Sprintf("%s is %s", where(p, key("path")), policy.QuotePath(d.Path))
		if without := strings.ReplaceAll(d.Access, "m", ""); without != d.Access {
			l.add("mknod_access", at(key("access")), fmt.Sprintf("%s is %q", where(p, key("access")), d.Access), dropM(without))
		}
		if d.Access == "m" {
			continue // opens nothing
		}
		switch {
		case isOne(d.Path, disks, diskNames), isVolume(d.Path) && !isOne(d.Path, memory, memoryNames):
			l.add("disk", at(key("path")), what+", with access "+d.Access, "give a volume, or name a device that is not a disk")
		case isOne(d.Path, memory, memoryNames):
			l.add("kernel_memory", at(key("path")), what, "name the device that the software is after")
		case isOne(d.Path, consoles, consoleName):
			l.add("console", at(key("path")), what, `name what is meant, such as "/dev/ttyS0" or "/dev/ttyUSB*"`)
		}
		l.opens(p, d, at, key)
		l.target(p, d, at, key)
		if p.Requires.UserNamespace {
			l.mapped(p, "uid", d.UID, at, key)
			l.mapped(p, "gid", d.GID, at, key)
		}
	}
}

// opens looks at a mode that gives nobody, or not the group that is named, the access
// that the device is given with.
func (l *linter) opens(p *config.Profile, d policy.DeviceRule, at at, key func(string) string) {
	var need fs.FileMode
	for letter, bits := range map[string]fs.FileMode{"r": 4, "w": 2} {
		if strings.Contains(d.Access, letter) {
			need |= bits
		}
	}
	mode := d.Mode.Value
	has := func(class uint) bool { return mode>>class&need == need }
	what := fmt.Sprintf("%s is %q, with access %s", where(p, key("mode")), fmt.Sprintf("%04o", mode), d.Access)
	switch {
	case !d.Mode.OK:
	case !has(6) && !has(3) && !has(0):
		l.add("closed_mode", at(key("mode")), what, `write a mode that gives somebody this access, such as "0660"`)
	case d.GID.Of != "" && d.UID.Of != policy.OfProcess && !has(3) && !has(0):
		l.add("closed_mode", at(key("mode")), fmt.Sprintf("%s, and gid %s", what, d.GID), `give the group its part, as in "0660", or leave gid out`)
	}
}

// dropM says what to write instead of access with an m.
func dropM(without string) string {
	if without == "" {
		return "leave it out"
	}
	return fmt.Sprintf("write %q", without)
}

// taken is where each container of the kubelet has a mount, or the runtime a file
// system in which no node can be made.
var taken = []string{"/dev/pts", "/dev/mqueue", "/dev/shm", "/dev/termination-log", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}

func (l *linter) target(p *config.Profile, d policy.DeviceRule, at at, key func(string) string) {
	target := cmp.Or(d.ContainerPath, d.Path)
	what := fmt.Sprintf("%s is %q", where(p, key("container_path")), target)
	below := func(dir string) bool { return target == dir || strings.HasPrefix(target, dir+"/") }
	if i := slices.IndexFunc(taken, below); i >= 0 {
		l.add("occupied_path", at(key("container_path")), what, "write a path that is not in "+taken[i])
		return
	}
	if i := slices.IndexFunc(p.Tmpfs, func(t policy.Tmpfs) bool { return below(t.Path) }); i >= 0 && !p.Requires.UserNamespace {
		l.add("device_on_tmpfs", at(key("container_path")), fmt.Sprintf("%s, below the profile's tmpfs %q", what, p.Tmpfs[i].Path),
			"write a path that is not below it")
	}
}

// mapped looks at an owner that a pod's id map may not hold.
func (l *linter) mapped(p *config.Profile, kind string, id policy.ID, at at, key func(string) string) {
	const most = 1<<16 - 1 // of the ids that the kubelet maps by default
	if id.Of == policy.OfNumber && id.Number > most {
		l.add("unmapped_id", at(key(kind)), fmt.Sprintf("%s is %d", where(p, key(kind)), id.Number), fmt.Sprintf(`write at most %d, or "user"`, most))
	}
}
