// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"path"
	"slices"
	"strings"
)

// DefaultConfig is what containerd reads that is told nothing else.
const DefaultConfig = "/etc/containerd/config.toml"

// CommandLine is how a process was started, as far as /proc still tells it.
type CommandLine struct {
	Name string // argv[0]
	Args []string
	// Overwritten says that the process has put a title in the place of its command
	// line, as the containerd of k3s does: its arguments are unknown.
	Overwritten bool
}

// ParseCommandLine reads /proc/PID/cmdline. A title has blanks or NULs where arguments
// were.
func ParseCommandLine(text []byte) CommandLine {
	all := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	c := CommandLine{Args: all[1:]}
	title := false
	c.Name, _, title = strings.Cut(all[0], " ")
	if blank(c.Args) && (title || len(c.Args) > 1) { // one empty argument may be meant
		c.Args, c.Overwritten = nil, true
	}
	return c
}

func blank(args []string) bool {
	return !slices.ContainsFunc(args, func(arg string) bool { return strings.TrimSpace(arg) != "" })
}

// Option returns the value of a long or short option; "" for short if there is none.
func (c CommandLine) Option(long, short string) string {
	for i, arg := range c.Args {
		for _, name := range []string{"--" + long, "-" + long, "-" + short} {
			if arg == name && name != "-" && i+1 < len(c.Args) {
				return c.Args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok && name != "-" {
				return value
			}
		}
	}
	return ""
}

// BundledConfig returns what the containerd of k3s or RKE2 reads, by the path of its
// program, DIR/data/RELEASE/bin/PROGRAM, where both unpack their programs; "" for any
// other program.
func BundledConfig(program string) string {
	bin := path.Dir(program)
	data := path.Dir(path.Dir(bin))
	if path.Base(bin) != "bin" || path.Base(data) != "data" {
		return ""
	}
	return path.Join(path.Dir(data), "agent/etc/containerd/config.toml")
}
