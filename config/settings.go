// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

var (
	twoDigits = regexp.MustCompile(`^[0-9][0-9]$`)
	// handlerName is what Kubernetes lets a RuntimeClass name.
	handlerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// settings reads everything but profiles and grants. What a file does not
// write stays as the files before it left it.
func (b *builder) settings(top *table) {
	if mode := top.choice("mode", "enforce", "audit"); mode != "" {
		b.audit = mode == "audit"
	}
	if t := top.table("nri", "[nri]"); t != nil {
		absolute(t, "socket", &b.config.NRI.Socket)
		t.index(&b.config.NRI.Index)
		t.finish()
	}
	if t := top.table("runtime", "[runtime]"); t != nil {
		if names, ok := t.handlers("handlers"); ok {
			b.config.Runtime.Handlers = names
		}
		t.finish()
	}
	if t := top.table("state", "[state]"); t != nil {
		absolute(t, "dir", &b.config.State.Dir)
		t.shadowDir(&b.config.State.ShadowDir)
		absolute(t, "host_root", &b.config.State.HostRoot)
		t.finish()
	}
	if t := top.table("kubelet", "[kubelet]"); t != nil {
		t.kubelet(&b.config.Kubelet)
		t.finish()
	}
	if t := top.table("log", "[log]"); t != nil {
		set(&b.config.Log.Level, t.choice("level", "debug", "info", "warn", "error"))
		set(&b.config.Log.Format, t.choice("format", "text", "json"))
		t.auditLog(&b.config.Log.Audit)
		t.finish()
	}
	if t := top.table("server", "[server]"); t != nil {
		t.listen(&b.config.Server.Listen)
		t.finish()
	}
}

// auditLog reads where the audit log goes; "" turns off what a file before
// turned on.
func (t *table) auditLog(into *string) {
	v, ok := t.str("audit", `"/var/log/nodegate/audit.log"`)
	switch {
	case !ok:
	case v == "" || v == "stderr" || v != "/" && unclean(v) == "":
		*into = v
	default:
		t.bad("audit", `is %q: write "stderr", the absolute path of a file, as in "/var/log/nodegate/audit.log", or "" for none`, v)
	}
}

// set leaves the default, or what a file before wrote, where nothing is written.
func set(into *string, value string) {
	if value != "" {
		*into = value
	}
}

func (t *table) index(into *string) {
	v, ok := t.str("index", `"90"`)
	switch {
	case !ok:
	case !twoDigits.MatchString(v):
		t.bad("index", `is %q: write two digits in quotes, as in "90"; a higher one comes later`, v)
	default:
		*into = v
	}
}

// handlers takes a list of runtime handlers; "" stands for the default one.
func (t *table) handlers(key string) (names []string, ok bool) {
	_, ok = t.values[key].([]any)
	names = []string{}
	for _, it := range t.list(key, `"nodegate"`) {
		if it.value != "" && !handlerName.MatchString(it.value) {
			t.doc.bad(it.path, `is %q, which no RuntimeClass can name: write up to 63 lower-case letters, digits and -, or "" for the default handler`, it.value)
		}
		names = append(names, it.value)
	}
	return names, ok
}

// absolute reads a path of the host. What is written otherwise than the kernel
// would show it is refused, so that paths can be compared as text.
func absolute(t *table, key string, into *string) {
	v, ok := t.str(key, `"`+*into+`"`)
	if !ok {
		return
	}
	if remedy := unclean(v); remedy != "" {
		t.bad(key, "is %q: %s", v, remedy)
		return
	}
	*into = v
}

// unclean says what to write instead of something that is not an absolute
// path in its shortest form; "" if it is one.
func unclean(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "write an absolute path, one that begins with /"
	case strings.ContainsFunc(p, unicode.IsControl):
		return "write it without control characters"
	case path.Clean(p) != p:
		return "write " + strconv.Quote(path.Clean(p))
	}
	return ""
}

// shadowDir refuses a place from which containerd would hand the shadow nodes
// of all pods to every privileged container: its walk of /dev skips only
// directories of these names.
func (t *table) shadowDir(into *string) {
	was := *into
	absolute(t, "shadow_dir", into)
	parts := strings.Split(*into, "/")
	skipped := slices.ContainsFunc(parts, func(part string) bool {
		return part == ".udev" || part == ".lxc" || part == ".lxd-mounts"
	})
	switch {
	case *into == "/":
		t.bad("shadow_dir", `is "/": write a directory of its own, as in %q`, was)
	case parts[1] == "dev" && !skipped:
		t.bad("shadow_dir", `is %q, and privileged containers are given whatever is in /dev: write a directory within /dev/.udev, which containerd leaves out`, *into)
	}
}

// listen takes an address or a list of them, which replaces what a file before wrote.
func (t *table) listen(into *[]string) {
	v, there := t.values["listen"]
	if address, ok := v.(string); ok {
		t.take("listen")
		*into = []string{t.address(item{address, t.at("listen")})}
		return
	}
	if there {
		*into = nil
	}
	for _, it := range t.list("listen", `"unix:///run/nodegate/nodegate.sock"`) {
		*into = append(*into, t.address(it))
	}
}

// address checks one address and returns it as it is.
func (t *table) address(it item) string {
	if p, unix := strings.CutPrefix(it.value, "unix://"); unix {
		if unclean(p) != "" || p == "/" {
			t.doc.bad(it.path, `is %q: write unix:// and an absolute path, as in "unix:///run/nodegate/nodegate.sock"`, it.value)
		}
	} else if address, tcp := strings.CutPrefix(it.value, "tcp://"); !tcp || !hostPort(address) {
		t.doc.bad(it.path, `is %q: write "unix:///path" or "tcp://host:port", as in "tcp://127.0.0.1:9464"`, it.value)
	}
	return it.value
}

// hostPort wants the host to be said: ":9464" would listen on every address of
// the node, and that ought to be meant.
func hostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0 && host != "" && !strings.ContainsFunc(host, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("/?#@", r)
	})
}
