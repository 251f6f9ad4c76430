// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands are all that a user is shown, but for cobra's own help.
func commands(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			out = append(append(out, sub), commands(sub)...)
		}
	}
	return out
}

// Each command's help says what it does, how it ends and what it looks like, within a
// terminal's width.
func TestHelp(t *testing.T) {
	for _, cmd := range commands(rootCommand()) {
		name := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short is %q: a few words, without a full stop", name, cmd.Short)
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > 81 {
				t.Errorf("%s: Long has a line of %d characters: break it before 80", name, len(line)-1)
			}
		}
		if cmd.HasSubCommands() {
			continue
		}
		if !strings.Contains(strings.ReplaceAll(cmd.Long, "\n", " "), "Exits with 0") {
			t.Errorf(`%s: Long does not say how it ends: "Exits with 0 …"`, name)
		}
		if !strings.HasPrefix(cmd.Example, "  ") || !strings.Contains(cmd.Example, name) {
			t.Errorf("%s: Example shows no call of it, indented by two spaces", name)
		}
	}
}

var update = flag.Bool("update", false, "write docs/nodegate.txt from the commands")

// docs/nodegate.txt has each command's usage and flags.
func TestReference(t *testing.T) {
	const file = "../../docs/nodegate.txt"
	want := reference()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what the commands say: run this test with -update (%v)", file, err)
	}
}

// reference has every command's usage, what it does in a line, and its flags. A command's
// --help says more.
func reference() string {
	var out []string
	for _, cmd := range commands(rootCommand()) {
		if cmd.HasSubCommands() {
			continue
		}
		cmd.InitDefaultHelpFlag()
		flags := help.ReplaceAllString(cmd.LocalFlags().FlagUsages(), "")
		out = append(out, strings.TrimSuffix(cmd.UseLine(), " [flags]")+"\n    "+cmd.Short+"\n"+flags)
	}
	return strings.Join(out, "\n")
}

// help finds the flag that every command has.
var help = regexp.MustCompile(`(?m)^  -h, --help .*\n`)

// TestCompletionInBash loads the script into a real bash and completes there.
func TestCompletionInBash(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		if os.Getenv("NODEGATE_REQUIRE") != "" || os.Getenv("CI") != "" {
			t.Fatalf("install bash-completion: %v", err)
		}
		t.Skip(err)
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test's program is nodegate where it is called so.
	if err := os.Symlink(self, filepath.Join(dir, "nodegate")); err != nil {
		t.Fatal(err)
	}
	const script = `
source ` + library + `
source <(nodegate completion bash)
COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9 COMP_KEY=9
read -ra COMP_WORDS <<< "$1"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
__start_nodegate 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}" | sed 's/ *(.*//; s/ *$//'
`
	for line, want := range map[string]string{
		"nodegate expl":          "explain",
		"nodegate un":            "uninstall",
		"nodegate completion ba": "bash",
		"nodegate explain --out": "--output",
	} {
		cmd := exec.Command("bash", "--norc", "-c", script, "bash", line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
			t.Errorf("%q completes to %q, want %q (%v)", line, got, want, err)
		}
	}
}
