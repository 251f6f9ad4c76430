// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strings"
	"testing"
)

func TestParseArgs(t *testing.T) {
	for line, want := range map[string]Call{
		// As containerd calls it.
		"--root /run/r --log /b/log.json --log-format json --systemd-cgroup create --bundle /b --pid-file /b/init.pid c1": {
			Verb: "create", ID: "c1", Bundle: "/b", Log: "/b/log.json", LogFormat: "json"},
		"--root /run/r --log /b/log.json --log-format json exec --process /tmp/p --console-socket /s --detach --pid-file /p c1": {
			Verb: "exec", ID: "c1", Process: "/tmp/p", Root: "/run/r", Log: "/b/log.json", LogFormat: "json"},

		// As CRI-O calls it, through conmon and by itself.
		"--root=/run/runc create --bundle /b --pid-file /b/pidfile c1":                                            {Verb: "create", ID: "c1", Bundle: "/b"},
		"--systemd-cgroup --root=/run/runc create --bundle /b --pid-file /b/pidfile --console-socket /s c1":       {Verb: "create", ID: "c1", Bundle: "/b"},
		"--root=/run/runc exec --pid-file /tmp/pidfile1 --process /tmp/exec-process-1 --detach c1":                {Verb: "exec", ID: "c1", Process: "/tmp/exec-process-1", Root: "/run/runc"},
		"--root=/run/runc exec --console-socket /s --pid-file /p --process /tmp/exec-process-1 --detach --tty c1": {Verb: "exec", ID: "c1", Process: "/tmp/exec-process-1", Root: "/run/runc"},
		"--root /run/runc --systemd-cgroup exec --process /tmp/exec-process-1 c1":                                 {Verb: "exec", ID: "c1", Process: "/tmp/exec-process-1", Root: "/run/runc"},
		"--root /run/runc update --resources - c1":                                                                {},
		"--log=/l --log-format=json delete --force c1":                                                            {Log: "/l", LogFormat: "json"},
		"features": {},
		"":         {},

		// Every form of an option.
		"create --bundle=/b c1":                        {Verb: "create", ID: "c1", Bundle: "/b"},
		"create -b /b c1":                              {Verb: "create", ID: "c1", Bundle: "/b"},
		"create -b=/b c1":                              {Verb: "create", ID: "c1", Bundle: "/b"},
		"-log /l create -bundle /b c1":                 {Verb: "create", ID: "c1", Bundle: "/b", Log: "/l"},
		"create --bundle= c1":                          {Verb: "create", ID: "c1"},
		"create --bundle /a --bundle /b c1":            {Verb: "create", ID: "c1", Bundle: "/b"},
		"create c1 --bundle /b":                        {Verb: "create", ID: "c1", Bundle: "/b"},
		"create --no-pivot=false --no-new-keyring c1":  {Verb: "create", ID: "c1"},
		"run -d --keep --preserve-fds 3 c1":            {Verb: "run", ID: "c1"},
		"create -- c1":                                 {Verb: "create", ID: "c1"},
		"-- create -b /b c1":                           {Verb: "create", ID: "c1", Bundle: "/b"},
		"create --bundle --no-pivot c1":                {Verb: "create", ID: "c1", Bundle: "--no-pivot"},
		"exec c1 ls --process /p":                      {Verb: "exec", ID: "c1"},
		"exec -t -e A=b -u 1:1 -p /p c1 ls -la":        {Verb: "exec", ID: "c1", Process: "/p"},
		"--rootless true --criu /x --debug=1 create c": {Verb: "create", ID: "c"},

		// Names that look like something else.
		"create create":                 {Verb: "create", ID: "create"},
		"delete create":                 {},
		"kill --all run":                {},
		"--root create delete exec":     {},
		"--log create state x":          {Log: "create"},
		"--log run create --bundle b c": {Verb: "create", ID: "c", Bundle: "b", Log: "run"},
		"exec exec":                     {Verb: "exec", ID: "exec"},
		"unheard-of create":             {},

		// Help and version run nothing.
		"create --help":             {},
		"create -h c1":              {},
		"--version create c1":       {},
		"--version=false create c1": {Verb: "create", ID: "c1"},
		"--help --help=0 create c1": {Verb: "create", ID: "c1"},

		// Options of a runtime to come, where nothing starts.
		"--future a --x1 c --x2 e --x3 g --x4 i state": {},
		"--log /l --future value delete c1":            {Log: "/l"},
		"delete --future c1":                           {},
		"delete --future create":                       {},
	} {
		got, err := ParseArgs(strings.Fields(line))
		if err != nil || got != want {
			t.Errorf("%q:\n got %+v, %v\nwant %+v", line, got, err, want)
		}
	}
}

func TestParseArgsRefuses(t *testing.T) {
	for line, part := range map[string]string{
		"create":                       "there is no container id",
		"create a b":                   "more than one container id",
		"create --bundle":              "has no value",
		"create --no-pivot=perhaps c1": "write true or false",
		"create -f other.json c1":      "leave the option out",
		"create --bund /b c1":          "is not known",
		"create -b/b c1":               "is not known",
		"exec -td -p /p c1":            "is not known",
		"exec -p/f c1":                 "is not known",
		"create ---bundle /b c1":       "is not an option",

		// Whether the next word is its value cannot be told.
		"--future create c1":                  "\"--future\" is not known",
		"--future value create c1":            "\"--future\" is not known",
		"--future=value create c1":            "\"--future=value\" is not known",
		"create --future --bundle /b c1":      "is not known",
		"create c1 --future":                  "is not known",
		"exec --future --process /p c1":       "is not known",
		"exec --future value --process /p c1": "is not known",
		"--future delete create c1":           "is not known",
		"--future delete create":              "is not known",
		"create -e -- c1":                     "is not known",
	} {
		got, err := ParseArgs(append([]string{"--log", "/l"}, strings.Fields(line)...))
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: got %+v, %v, want an error with %q", line, got, err, part)
		}
		if got != (Call{Log: "/l"}) {
			t.Errorf("%q: with the error came %+v, want where the log is", line, got)
		}
	}
}

// FuzzParseArgs puts the words of a good command line between others: what is
// known must be read for what it is, whatever stands around it.
func FuzzParseArgs(f *testing.F) {
	f.Add("--debug", "--no-pivot", "c1", "/b")
	f.Add("--log\x00/l", "--future\x00x", "create", "--bundle")
	f.Add("--\x00create", "-h", "", "=")
	f.Fuzz(func(t *testing.T, global, own, id, bundle string) {
		split := func(s string) []string {
			if s == "" {
				return nil
			}
			return strings.Split(s, "\x00")
		}
		args := append(append(split(global), "create"), append(split(own), "--bundle", bundle, id)...)
		_, _ = ParseArgs(args)
		for i, word := range args {
			if guarded(word) {
				args[i] = "x" + word
			}
		}
		if got, err := ParseArgs(args); err != nil || got.Verb != "" {
			t.Errorf("%q starts nothing, but: %+v, %v", args, got, err)
		}
		if isOption(id) || id == "" {
			return
		}
		want := Call{Verb: "create", ID: id, Bundle: bundle}
		if got, err := ParseArgs([]string{"--root", global, "create", "--pid-file", own, "--bundle", bundle, id}); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	})
}
