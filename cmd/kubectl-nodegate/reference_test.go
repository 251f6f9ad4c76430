// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestMain(m *testing.M) {
	quiet()
	os.Exit(m.Run())
}

var update = flag.Bool("update", false, "write docs/kubectl-nodegate.txt from the commands")

// docs/kubectl-nodegate.txt has each command's usage and flags.
func TestReference(t *testing.T) {
	const file = "../../docs/kubectl-nodegate.txt"
	want := reference()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s is not what the commands say: run this test with -update (%v)", file, err)
	}
}

// reference has every command's usage, what it does in a line, and its own flags.
func reference() string {
	var out []string
	for _, cmd := range rootCommand(genericiooptions.NewTestIOStreamsDiscard()).Commands() {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			continue
		}
		cmd.InitDefaultHelpFlag()
		flags := help.ReplaceAllString(cmd.LocalNonPersistentFlags().FlagUsages(), "")
		out = append(out, strings.TrimSuffix(cmd.UseLine(), " [flags]")+"\n    "+cmd.Short+"\n"+flags)
	}
	return strings.Join(out, "\n")
}

// help finds the flag that every command has.
var help = regexp.MustCompile(`(?m)^  -h, --help .*\n`)

// Each command's help says what it does, how it ends and what it looks like.
func TestHelp(t *testing.T) {
	for _, cmd := range rootCommand(genericiooptions.NewTestIOStreamsDiscard()).Commands() {
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > 82 {
				t.Errorf("%s: Long has a line of %d characters: break it before 80", cmd.Name(), len(line)-1)
			}
		}
		long := strings.ReplaceAll(cmd.Long, "\n", " ")
		if !strings.Contains(long, "Exits with 0") && !strings.Contains(long, "Exits as nodegate") {
			t.Errorf("%s: Long does not say how it ends", cmd.Name())
		}
		if !strings.HasPrefix(cmd.Example, "  kubectl nodegate "+cmd.Name()) {
			t.Errorf("%s: Example shows no call of it", cmd.Name())
		}
	}
}
