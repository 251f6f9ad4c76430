// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/plugin/policy"
)

// permissions are written as chmod takes them. Set-uid and sticky bits mean
// nothing on a device.
var permissions = regexp.MustCompile(`^0?[0-7]{3}$`)

func (p *profile) devices() {
	var places []string
	for _, t := range p.table.tables("devices", "[["+p.table.at("devices")+"]]") {
		var d policy.DeviceRule
		var ok bool
		which := p.which(t)
		d.ContainerPath = t.containerPath()
		if d.Access, ok = t.str("access", `"rw"`); ok {
			d.Access = t.access("access", d.Access)
		} else if t.values["access"] == nil {
			t.missing("access", `"rw", or the letters of r, w and m that it should have`)
		}
		d.Mode = t.mode()
		if d.UID, d.UIDElse = t.id("uid"); d.UID == (policy.ID{Of: policy.OfNumber}) {
			d.UID = policy.ID{} // 0 is what it is without a word, too
		}
		d.GID, d.GIDElse = t.id("gid")
		d.Optional = t.boolean("optional")
		t.deviceNumbers(&d)
		t.live(&d, which)
		t.finish()
		if len(which) > 1 {
			t.oneOf(&d)
			if !d.Optional {
				p.OneOf = append(p.OneOf, which)
			}
			d.Optional = true
		}
		for _, s := range which {
			d.Path, d.USB = s.Path, s.USB
			p.Devices = append(p.Devices, d)
			places = append(places, t.path)
		}
	}
	p.devicesTwice(places)
}

// deviceNumbers takes what the node's device must be.
func (t *table) deviceNumbers(d *policy.DeviceRule) {
	d.Type = t.choice("type", "c", "b")
	number := func(key string, most int64) (n policy.Known[int64]) {
		v, ok := t.number(key, "10")
		if !ok {
			return n
		}
		if v < 0 || v > most {
			t.bad(key, "is %d: write a number from 0 to %d, as ls -l prints it", v, most)
		}
		return policy.Is(v)
	}
	d.Major, d.Minor = number("major", maxMajor), number("minor", maxMinor)
	if d.Minor.OK && t.values["major"] == nil {
		t.bad("minor", "stands without major, which numbers of different drivers share: write both")
	}
}

// devicesTwice compares where in the container the devices are to be. The
// engine does, too, but cannot say on which lines.
func (p *profile) devicesTwice(places []string) {
	seen := map[string]string{}
	for i, d := range p.Devices {
		target := cmp.Or(d.ContainerPath, d.Path, d.Selector().String())
		if d.Live != "" {
			target = d.Live + ": " + target
		}
		if first := seen[target]; first != "" && target != "" {
			p.table.doc.bad(places[i], "is %q in the container, and so is %s on line %d: keep one, with the access of both, or give one another container_path",
				target, first, p.table.doc.lines.line(first))
			continue
		}
		seen[target] = places[i]
	}
}

// devicePath says what to write instead of a path or glob that can name no
// device of the host.
func devicePath(p string) string {
	if below := strings.HasPrefix(path.Clean(p), "/dev/"); path.IsAbs(p) && !below {
		return "write a path below /dev/; nodegate gives no other files"
	}
	if remedy := unclean(p); remedy != "" {
		return remedy
	}
	// It would refuse every container: a node's /dev has links and directories.
	if strings.TrimRight(p, "*") == "/dev/" {
		return `write which devices are meant, as in "/dev/ttyUSB*"; not all that lies in /dev is a device`
	}
	for part := range strings.SplitSeq(p, "/") {
		if remedy := badGlob(part); remedy != "" {
			return remedy
		}
	}
	for _, never := range []string{"/dev/pts", "/dev/shm", "/dev/mqueue"} {
		if mayLieIn(p, never) {
			return "write no path that may lie in " + never + ", where pods and sessions make files of their own; name the directory that the device is in"
		}
	}
	return ""
}

// badGlob says what to write instead of a pattern that does not parse, or that
// means something else in a shell than here.
func badGlob(pattern string) string {
	switch {
	case policy.CheckGlob(pattern) != nil:
		return "a glob is made of *, ? and [a-z]: close each [ with ], and write no \\ at the end"
	case strings.Contains(pattern, "[!"):
		return "write [^a-z] for a character that is none of these, not [!a-z]"
	case strings.ContainsAny(pattern, "{}"):
		return "a glob has no {a,b}: write an entry for each"
	}
	return ""
}

// mayLieIn reports whether the pattern can match dir or something below it.
func mayLieIn(pattern, dir string) bool {
	have, want := strings.Split(pattern, "/"), strings.Split(dir, "/")
	if len(have) < len(want) {
		return false
	}
	for i := range want {
		if ok, _ := path.Match(have[i], want[i]); !ok {
			return false
		}
	}
	// A glob in the place of the directory itself finds it beside the devices
	// that it is meant for, and no device.
	return len(have) > len(want) || pattern == dir
}

// checkDevicePaths needs state.shadow_dir, which any file may set.
func (b *builder) checkDevicePaths() {
	for _, p := range b.profiles {
		for _, it := range p.paths {
			if mayLieIn(it.value, b.config.State.ShadowDir) {
				p.table.doc.bad(it.path, "is %q, which may lie in state.shadow_dir (%s), where the devices of other pods are: name the host's own node", it.value, b.config.State.ShadowDir)
				p.broken = true
			}
		}
	}
}

// containerPath may go with a glob, as long as that matches one device; how
// many it does, only a node can tell, and the engine refuses there.
func (t *table) containerPath() string {
	v, ok := t.str("container_path", `"/dev/fuse"`)
	if !ok {
		return ""
	}
	remedy := unclean(v)
	switch {
	case remedy != "":
	case strings.ContainsAny(v, `*?[]\`):
		remedy = "write one path, without * ? [ ] and \\; or leave it out, and each device keeps its own"
	case v == "/" || v == "/dev" || mayLieIn(v, "/proc") || mayLieIn(v, "/sys"):
		remedy = `write a path where a device can be, as in "/dev/ttyUSB0"`
	}
	if remedy != "" {
		t.bad("container_path", "is %q: %s", v, remedy)
	}
	return v
}

// access returns the letters in the order r, w, m.
func (t *table) access(key, v string) string {
	sorted := sortAccess(v)
	if sorted == "" {
		t.bad(key, "is %q: write one or more of r (read), w (write) and m (mknod), each once", v)
	}
	return sorted
}

// sortAccess returns "" for anything but a set of access letters.
func sortAccess(v string) string {
	var out strings.Builder
	for _, letter := range "rwm" {
		if strings.ContainsRune(v, letter) {
			out.WriteRune(letter)
		}
	}
	if out.Len() != len(v) {
		return ""
	}
	return out.String()
}

func (t *table) mode() (mode policy.Known[fs.FileMode]) {
	v, ok := t.str("mode", `"0660", in octal and in quotes`)
	if !ok {
		return mode
	}
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil || !permissions.MatchString(v) {
		t.bad("mode", `is %q: write permissions in octal, from "0000" to "0777", as in "0660"`, v)
	}
	return policy.Is(fs.FileMode(n))
}

// id takes a uid or gid inside the container, and what it is instead in a user
// namespace that does not have the host's.
func (t *table) id(key string) (id, instead policy.ID) {
	v, _ := t.take(key)
	list, isList := v.([]any)
	if !isList {
		return t.oneID(key, v), policy.ID{}
	}
	if len(list) != 2 || list[0] != string(policy.OfHost) || list[1] == string(policy.OfHost) {
		t.bad(key, `is a list: write [%q, %q], where the second is a number or "user", for pods with a user namespace that does not have the host's`, "host", "user")
		return policy.ID{}, policy.ID{}
	}
	return policy.ID{Of: policy.OfHost}, t.oneID(key, list[1])
}

// oneID reads one id. The highest number is the kernel's "none".
func (t *table) oneID(key string, value any) policy.ID {
	const most = 1<<32 - 2
	const words = `write a number, "user" for the one that the container runs as, or "host" for the device's own on the node`
	switch v := value.(type) {
	case nil:
	case int64:
		if v >= 0 && v <= most {
			return policy.ID{Of: policy.OfNumber, Number: uint32(v)}
		}
		t.bad(key, `is %d: write a number from 0 to %d, "user" or "host"`, v, most)
	case string:
		if v == string(policy.OfProcess) || v == string(policy.OfHost) {
			return policy.ID{Of: policy.IDOf(v)}
		}
		if n, err := strconv.ParseUint(v, 10, 32); err == nil {
			t.bad(key, `is %q: write %s = %d without quotes`, v, key, n)
		} else {
			t.bad(key, `is %q: %s; "getent group NAME" and "getent passwd NAME" print the number of a name`, v, words)
		}
	default:
		t.bad(key, `is %s: %s`, kind(v), words)
	}
	return policy.ID{}
}
