// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strconv"
	"strings"
)

// options is what may stand at one place of a command line.
type options struct {
	known   []optionKind
	inOrder bool // the first word that is not an option ends them
}

type optionKind struct {
	name, short string
	isBool      bool
	refused     string // why the option cannot be taken, and what to do
}

// The options of runc 1.5, of older releases back to 1.0, and of crun.
var (
	globalOptions = options{inOrder: true, known: []optionKind{
		{name: "log"}, {name: "log-format"}, {name: "root"}, {name: "rootless"}, {name: "criu"}, {name: "cgroup-manager"},
		{name: "debug", isBool: true}, {name: "systemd-cgroup", isBool: true},
		{name: "help", short: "h", isBool: true}, {name: "version", short: "v", isBool: true},
	}}
	createOptions = options{known: []optionKind{
		{name: "bundle", short: "b"}, {name: "console-socket"}, {name: "pidfd-socket"}, {name: "pid-file"}, {name: "preserve-fds"},
		{name: "no-pivot", isBool: true}, {name: "no-new-keyring", isBool: true}, {name: "no-subreaper", isBool: true},
		{name: "detach", short: "d", isBool: true}, {name: "keep", isBool: true}, {name: "help", short: "h", isBool: true},
		{name: "config", short: "f", refused: "only the config.json of a bundle is adjusted: leave the option out"},
	}}
	restoreOptions = options{known: []optionKind{
		{name: "bundle", short: "b"}, {name: "console-socket"}, {name: "pid-file"}, {name: "image-path"}, {name: "work-path"},
		{name: "manage-cgroups-mode"}, {name: "empty-ns"}, {name: "lsm-profile"}, {name: "lsm-mount-context"},
		{name: "tcp-established", isBool: true}, {name: "ext-unix-sk", isBool: true}, {name: "shell-job", isBool: true},
		{name: "file-locks", isBool: true}, {name: "no-subreaper", isBool: true}, {name: "no-pivot", isBool: true},
		{name: "auto-dedup", isBool: true}, {name: "lazy-pages", isBool: true}, {name: "link-remap", isBool: true},
		{name: "detach", short: "d", isBool: true}, {name: "help", short: "h", isBool: true},
	}}
	execOptions = options{inOrder: true, known: []optionKind{
		{name: "process", short: "p"}, {name: "console-socket"}, {name: "pidfd-socket"}, {name: "cwd"}, {name: "env", short: "e"},
		{name: "user", short: "u"}, {name: "additional-gids", short: "g"}, {name: "pid-file"}, {name: "process-label"},
		{name: "apparmor"}, {name: "cap", short: "c"}, {name: "preserve-fds"}, {name: "cgroup"},
		{name: "tty", short: "t", isBool: true}, {name: "detach", short: "d", isBool: true}, {name: "no-new-privs", isBool: true},
		{name: "ignore-paused", isBool: true}, {name: "help", short: "h", isBool: true},
	}}
	// commands are those that start a program in a container, with their options.
	commands = map[string]*options{"create": &createOptions, "run": &createOptions, "exec": &execOptions, "restore": &restoreOptions}
)

// option is one option as it is written.
type option struct {
	name  string // the long one
	value string
	words int  // how many words it takes
	set   bool // of one that has no value: whether it is true
}

// isOption tells an option from another word. A lone dash is none.
func isOption(word string) bool { return len(word) > 1 && word[0] == '-' }

// find looks a name up; one dash or two make no difference to runc.
func (t *options) find(name string) (optionKind, bool) {
	for _, k := range t.known {
		if name == k.name || name == k.short && name != "" {
			return k, true
		}
	}
	return optionKind{}, false
}

// read reads the option that args begin with.
func (t *options) read(args []string) (option, error) {
	dashes := 1
	if strings.HasPrefix(args[0], "--") {
		dashes = 2
	}
	name, value, has := strings.Cut(args[0][dashes:], "=")
	if name == "" || name[0] == '-' {
		return option{}, fmt.Errorf("%q is not an option", args[0])
	}
	known, ok := t.find(name)
	switch {
	case !ok:
		return option{}, fmt.Errorf("option %q is not known to nodegate-runc: leave it out, or write it in full and as a word of its own (--bundle /path)", args[0])
	case known.refused != "":
		return option{}, fmt.Errorf("option %q: %s", args[0], known.refused)
	case known.isBool:
		set := true
		if has {
			var err error
			if set, err = strconv.ParseBool(value); err != nil {
				return option{}, fmt.Errorf("option %q: write true or false", args[0])
			}
		}
		return option{name: known.name, words: 1, set: set}, nil
	case has:
		return option{name: known.name, value: value, words: 1}, nil
	case len(args) < 2:
		return option{}, fmt.Errorf("option %q has no value", args[0])
	}
	return option{name: known.name, value: args[1], words: 2}, nil
}
