// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/plugin/policy"
)

// A policy file is made to be slow, or to be read in two ways. It is an error in good
// time, or means what it says.
func TestAttackPolicyFile(t *testing.T) {
	lines := func(count int, format string) string {
		var b strings.Builder
		for i := range count {
			fmt.Fprintf(&b, format, i, i+1)
		}
		return b.String()
	}
	grant := "[[grants]]\nprofiles = [\"p0\"]\nnamespaces = [\"ci\"]\n"
	for name, tc := range map[string]struct{ text, want string }{ // "" for a policy
		"lists in lists":            {"x = " + strings.Repeat("[", 100_000) + "\n", "error"},
		"tables in tables":          {"x = " + strings.Repeat("{a = ", 50_000) + "1" + strings.Repeat("}", 50_000) + "\n", "error"},
		"a long key":                {strings.Repeat("a.", 5000) + "b = 1\n", "error"},
		"a key that never ends":     {"[profiles." + strings.Repeat("a", 1<<18) + "\n", "error"},
		"a text that never ends":    {"[profiles.p0]\ndescription = \"\"\"" + strings.Repeat("x", 1<<18), "error"},
		"a key of ours twice":       {"mode = \"enforce\"\nmode = \"audit\"\n", "error"},
		"a profile twice":           {"[profiles.p0]\n[profiles.p0]\n", "error"},
		"a key in another case":     {"Mode = \"audit\"\n", "error"},
		"a key of look-alikes":      {"m\u043ede = \"audit\"\n", "error"},
		"a line break of another":   {"# accepted\u2028mode = \"audit\"\n", ""},
		"a carriage return":         {"# accepted\rmode = \"audit\"\n", "error"},
		"a zero byte":               {"mode = \"enforce\x00\"\n", "error"},
		"what is no text":           {"description = \"\xff\"\n", "error"},
		"a number out of range":     {"[[profiles.p0.devices]]\npath = \"/dev/x\"\nmajor = 9999999999999999999999\n", "error"},
		"an include of itself":      {"[profiles.p0]\ninclude = [\"p0\"]\n" + grant, "error"},
		"a ring of includes":        {lines(500, "[profiles.p%d]\ninclude = [\"p%d\"]\n") + "[profiles.p500]\ninclude = [\"p0\"]\n" + grant, "error"},
		"a chain of includes":       {lines(500, "[profiles.p%d]\ninclude = [\"p%d\"]\n") + "[profiles.p500]\nenv = { A = \"1\" }\n" + grant, ""},
		"includes that double":      {lines(60, "[profiles.p%[1]d]\ninclude = [\"p%[2]d\", \"q%[2]d\"]\n[profiles.q%[1]d]\ninclude = [\"p%[2]d\", \"q%[2]d\"]\n") + "[profiles.p60]\nenv = { A = \"1\" }\n[profiles.q60]\nenv = { A = \"1\" }\n" + grant, ""},
		"thousands of grants":       {"[profiles.p0]\nenv = { A = \"1\" }\n" + strings.Repeat(grant, 2000), ""},
		"a glob that goes far back": {"[profiles.p0]\nenv = { A = \"1\" }\n[[grants]]\nprofiles = [\"p0\"]\nnamespaces = [\"" + strings.Repeat("*a", 2000) + "*\"]\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			began := processorTime(t)
			c, err := Parse("config.toml", []byte("version = 1\n"+tc.text))
			if err == nil { // and a namespace to go with it
				_, err = c.Policy.Select(&policy.Request{Namespace: strings.Repeat("a", 253), UserNamespace: policy.Is(false)})
			}
			if used := processorTime(t) - began; used > 10*time.Second {
				t.Errorf("%v of processor time", used)
			}
			switch {
			case (err == nil) != (tc.want == ""):
				t.Errorf("got %.300v, want %q", err, tc.want)
			case err == nil && c.Policy.Audit():
				t.Error("is in audit mode")
			case err != nil && len(err.Error()) > 2<<20:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// processorTime is what this process has used, whatever else the machine does.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
