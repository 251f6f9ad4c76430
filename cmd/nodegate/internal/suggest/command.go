// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package suggest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
)

const unknownNeed = "what it needs is unknown: it is privileged, and the manifest does not say why"

// unsaid is why a container stays privileged of which the manifest says nothing else: its
// command does, where all that it does is to set sysctls.
func (s *Set) unsaid(c *manifest.Container) []string {
	all := sysctlsSet(c.Command)
	if len(all) == 0 {
		return []string{unknownNeed}
	}
	var out []string
	for _, set := range all {
		name, value, _ := strings.Cut(set, "=")
		if err := s.offerable(&Ask{sysctl: name, value: value}); err != "" {
			out = append(out, fmt.Sprintf("its command sets the sysctl %q: %s; then take this container away", name, err))
			continue
		}
		out = append(out, fmt.Sprintf("its command sets the sysctl %q, for which a profile suffices: write it under the pod's securityContext.sysctls; then take this container away", name))
	}
	return out
}

// assignment is one of a sysctl, without anything that a shell would expand.
var assignment = regexp.MustCompile(`^[a-zA-Z0-9_.-]+=[a-zA-Z0-9_.:-]+$`)

// sysctlsSet are the sysctls that a command sets, as name=value; nil for a command that does
// anything else.
func sysctlsSet(argv []string) (out []string) {
	commands := [][]string{argv}
	if len(argv) == 3 && slices.Contains([]string{"sh", "ash", "bash", "dash"}, path.Base(argv[0])) && slices.Contains([]string{"-c", "-ec", "-xc", "-exc"}, argv[1]) {
		commands = nil
		for _, line := range strings.FieldsFunc(strings.ReplaceAll(argv[2], "&&", "\n"), func(r rune) bool { return r == '\n' || r == ';' }) {
			commands = append(commands, strings.Fields(line))
		}
	}
	for _, words := range commands {
		switch {
		case len(words) == 0, len(words) == 2 && words[0] == "set" && strings.HasPrefix(words[1], "-"):
			continue
		case path.Base(words[0]) != "sysctl":
			return nil
		}
		for _, word := range words[1:] {
			switch {
			case slices.Contains([]string{"-w", "-q", "-e"}, word):
			case assignment.MatchString(word):
				out = append(out, word)
			default:
				return nil
			}
		}
	}
	return out
}
