// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
// terminal's width; each flag that takes a value completes it.
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
		if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
			t.Errorf("%s: completes files as its arguments", name)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := cmd.GetFlagCompletionFunc(f.Name); !ok && f.Value.Type() != "bool" {
				t.Errorf("%s --%s: has no completion", name, f.Name)
			}
		})
	}
}

// docs/cli.md has every command, and every flag under its heading.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for section := range strings.SplitSeq(string(text), "\n## ") {
		title, body, _ := strings.Cut(section, "\n")
		sections[title] = body
	}
	for _, cmd := range commands(rootCommand()) {
		if cmd.HasSubCommands() {
			continue
		}
		body, ok := sections[cmd.CommandPath()]
		if !ok {
			t.Errorf("docs/cli.md has no section %q", "## "+cmd.CommandPath())
			continue
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Name != "help" && !strings.Contains(body, "`--"+f.Name) && !strings.Contains(body, ", `--"+f.Name) {
				t.Errorf("docs/cli.md, %s: no flag `--%s`", cmd.CommandPath(), f.Name)
			}
		})
	}
}

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
	for _, name := range []string{"policy.toml", "pod.yaml", "other.txt"} {
		text := "version = 1\nruntime.handlers = [\"nodegate\", \"gate-2\"]\n"
		if name == "pod.yaml" {
			text = "kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app}, {name: log}]}\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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
		"nodegate expl":                                        "explain",
		"nodegate un":                                          "uninstall",
		"nodegate completion ":                                 "bash zsh fish powershell",
		"nodegate explain --out":                               "--output",
		"nodegate explain -o ":                                 "table json yaml diff",
		"nodegate doctor -o j":                                 "json",
		"nodegate explain --runtime containerd/1":              "containerd/1.7.30 containerd/1.7.0",
		"nodegate explain -f ":                                 "pod.yaml",
		"nodegate check ":                                      "policy.toml",
		"nodegate check --config ":                             "policy.toml",
		"nodegate explain -c policy.toml --handler ga":         "gate-2",
		"nodegate explain -f pod.yaml --container ":            "app log",
		"nodegate explain --runtime-endpoint unix:///no --id ": "",
		"nodegate profiles ":                                   "",
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
