// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"strings"
	"testing"
)

func TestService(t *testing.T) {
	const head = "[Unit]\nExecStart=/not/this\n[Service]\n"
	for name, tc := range map[string]struct {
		files       []string
		environment string
		want        string // the value of --config
		fails       string
	}{
		"plain":          {files: []string{head + "ExecStart=/usr/bin/containerd\n"}},
		"kOps":           {files: []string{head + "ExecStart=/usr/bin/containerd -c /etc/containerd/config-kops.toml \"$CONTAINERD_OPTS\"\n"}, want: "/etc/containerd/config-kops.toml"},
		"Flatcar":        {files: []string{head + "Environment=CONTAINERD_CONFIG=/usr/share/containerd/config.toml\nExecStart=/usr/bin/containerd --config ${CONTAINERD_CONFIG}\n"}, want: "/usr/share/containerd/config.toml"},
		"a drop-in's":    {files: []string{head + "Environment=C=/a\nExecStart=/usr/bin/containerd --config ${C}\n", "[Service]\nEnvironment=\"C=/b\"\n"}, want: "/b"},
		"by env":         {files: []string{head + "ExecStart=/usr/bin/env PATH=/x:${PATH} /opt/bin/containerd --config=/a\n"}, want: "/a"},
		"reset":          {files: []string{head + "ExecStart=/usr/bin/containerd\n", "[Service]\nExecStart=\nExecStart=-/usr/bin/containerd \\\n  --config \\\n# a comment\n  '/a b'\n"}, want: "/a b"},
		"a file's":       {files: []string{head + "Environment=OPTS=no\nEnvironmentFile=-/e\nExecStart=@/usr/bin/containerd $OPTS\n"}, environment: "# a comment\nOPTS=\"--log-level debug --config /c\"\nODD='\n", want: "/c"},
		"literally":      {files: []string{head + "Environment=C=/a\nExecStart=:/usr/bin/containerd --config ${C}\n"}, want: "${C}"},
		"a script":       {files: []string{head + "ExecStart=/usr/bin/snap run microk8s.daemon-containerd --config /a\n"}},
		"two":            {files: []string{head + "ExecStart=/usr/bin/containerd\n", "[Service]\nExecStart=/usr/bin/containerd --config /a\n"}, fails: "it has 2 lines with ExecStart"},
		"not set":        {files: []string{head + "ExecStart=/usr/bin/containerd --config ${CONTAINERD_CONFIG}\n"}, fails: "its ExecStart says --config ${CONTAINERD_CONFIG}, and CONTAINERD_CONFIG is not set"},
		"odd quotes":     {files: []string{head + "ExecStart=/usr/bin/containerd --config \"/a\n"}, fails: "a quote is not closed"},
		"no unit at all": {files: []string{"\xff\xfe\x00["}},
		"a long one":     {files: []string{head + "ExecStart=/usr/bin/containerd " + strings.Repeat("-l x ", 1<<16) + "--config /a\n"}, want: "/a"},
	} {
		s, err := ParseService(tc.files...)
		var line *CommandLine
		if err == nil {
			s.ParseEnvironment(tc.environment)
			line, err = s.Command()
		}
		switch {
		case tc.fails != "":
			if err == nil || !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%s: %v, want %s", name, err, tc.fails)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case line == nil && tc.want != "" || line != nil && line.Option("config", "c") != tc.want:
			t.Errorf("%s: %+v, want %q", name, line, tc.want)
		}
	}
}
