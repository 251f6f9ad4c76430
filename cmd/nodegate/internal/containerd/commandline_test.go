// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"slices"
	"strings"
	"testing"
)

func TestParseCommandLine(t *testing.T) {
	nuls := func(n int) string { return strings.Repeat("\x00", n) }
	for text, want := range map[string]CommandLine{
		"containerd\x00": {Name: "containerd"},
		"/usr/bin/containerd\x00--config\x00/a\x00":         {Name: "/usr/bin/containerd", Args: []string{"--config", "/a"}},
		"containerd\x00-c\x00/a\x00\x00":                    {Name: "containerd", Args: []string{"-c", "/a", ""}}, // an option of a unit that is empty
		"containerd " + nuls(80):                            {Name: "containerd", Overwritten: true},              // as k3s writes it
		"containerd" + nuls(80):                             {Name: "containerd", Overwritten: true},
		"containerd" + strings.Repeat(" ", 80):              {Name: "containerd", Overwritten: true},
		"containerd\x00   \x00 \x00":                        {Name: "containerd", Overwritten: true},
		"containerd: running" + nuls(20):                    {Name: "containerd:", Overwritten: true},
		"containerd " + strings.Repeat("x", 1<<20) + "\x00": {Name: "containerd", Overwritten: true},
		strings.Repeat("x", 1<<20):                          {Name: strings.Repeat("x", 1<<20)},
		"\xff\xfe \x00":                                     {Name: "\xff\xfe", Overwritten: true},
		"":                                                  {},
	} {
		got := ParseCommandLine([]byte(text))
		if got.Name != want.Name || !slices.Equal(got.Args, want.Args) || got.Overwritten != want.Overwritten {
			t.Errorf("%.60q: %.200v, want %.200v", text, got, want)
		}
	}
}

func TestOption(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--config", "/a", "--root", "/r"}, "/a"},
		{[]string{"--log-level=info", "--config=/a"}, "/a"},
		{[]string{"-config", "/a"}, "/a"},
		{[]string{"-c", "/a", "-a", "/run/k3s/containerd/containerd.sock"}, "/a"},
		{[]string{"-c=/a"}, "/a"},
		{[]string{"--config"}, ""},
		{[]string{"--config-dir", "/a"}, ""},
		{nil, ""},
	} {
		if got := (CommandLine{Args: tc.args}).Option("config", "c"); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.args, got, tc.want)
		}
	}
	if got := (CommandLine{Args: []string{"-", "x", "--root=/r"}}).Option("root", ""); got != "/r" {
		t.Errorf("root: %q", got)
	}
}

func TestBundledConfig(t *testing.T) {
	for program, want := range map[string]string{
		"/var/lib/rancher/k3s/data/4f2c/bin/k3s":                 "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
		"/var/lib/rancher/rke2/data/v1.36.1-0a1b/bin/containerd": "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
		"/srv/k3s/data/4f2c/bin/k3s":                             "/srv/k3s/agent/etc/containerd/config.toml", // --data-dir
		"/usr/bin/containerd":                                    "",
		"/data/bin/containerd":                                   "",
		"containerd":                                             "",
		"":                                                       "",
	} {
		if got := BundledConfig(program); got != want {
			t.Errorf("%q: %q, want %q", program, got, want)
		}
	}
}
