// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// A manifest that somebody else has written can hold text that steers its reader's
// terminal, or that breaks a line. What the commands print has none of that.
func TestAttackManifest(t *testing.T) {
	const evil = `\e[2J\nnodegate: all is well\r\u202e\u0007`
	dir := t.TempDir()
	policy, file := filepath.Join(dir, "config.toml"), filepath.Join(dir, "pod.yaml")
	write(t, policy, "version = 1\n[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"fuse\"]\naccept = [\"devices.gke.io\", \"cdi.k8s.io\"]\n")
	const usual = "kind: Pod\nmetadata: {name: a, namespace: ci%s}\nspec: {containers: [{name: c%s}]%s}\n"
	for name, at := range map[string][3]string{
		"a name":                    {", name: \"%s\""},
		"a label":                   {", labels: {\"%[1]s\": \"%[1]s\"}"},
		"a request":                 {", annotations: {profiles.nodegate.dev: \"%s\"}"},
		"a key":                     {", annotations: {\"profiles.nodegate.dev/%s\": fuse}"},
		"a path for another tool":   {", annotations: {devices.gke.io/container.c: \"- path: '/dev/%s'\"}"},
		"CDI":                       {", annotations: {\"cdi.k8s.io/%[1]s\": \"%[1]s\"}"},
		"a container's name":        {"", ", name: \"%s\""},
		"a mount's path":            {"", ", volumeMounts: [{name: v, mountPath: \"/dev/%s\"}]", ", volumes: [{name: v, hostPath: {path: /dev/fuse}}]"},
		"a volume's path":           {"", ", volumeMounts: [{name: v, mountPath: /dev/x}]", ", volumes: [{name: v, hostPath: {path: \"/dev/%s\"}}]"},
		"a file of the node":        {"", ", volumeMounts: [{name: v, mountPath: /x}]", ", volumes: [{name: v, hostPath: {path: \"/etc/%s\"}}]"},
		"a raw device":              {"", ", volumeDevices: [{name: v, devicePath: \"/dev/%s\"}]"},
		"a capability":              {"", ", securityContext: {privileged: true, capabilities: {add: [\"SYS_%s\"]}}"},
		"a resource":                {"", ", resources: {limits: {\"squat.ai/%s\": 1}}"},
		"a profile of seccomp":      {"", ", securityContext: {seccompProfile: {type: Localhost, localhostProfile: \"%s\"}}"},
		"a runtime class":           {"", "", ", runtimeClassName: \"%s\""},
		"a sysctl":                  {"", "", ", securityContext: {sysctls: [{name: \"net.%[1]s\", value: \"%[1]s\"}]}"},
		"an alias of a host":        {"", "", ", hostAliases: [{ip: \"%[1]s\", hostnames: [\"%[1]s\"]}]"},
		"a field that is not known": {"", "", ", \"%s\": 1"},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range at {
				if strings.Contains(at[i], "%") {
					at[i] = fmt.Sprintf(at[i], evil)
				}
			}
			write(t, file, fmt.Sprintf(usual, at[0], at[1], at[2]))
			for _, args := range [][]string{
				{"explain", "--config", policy, "-f", file}, {"explain", "--config", policy, "-f", file, "-o", "diff"}, {"suggest", "-f", file},
				{"check", policy, "--pods", file}, {"diff", policy, policy, "--pods", file},
			} {
				for line := range strings.Lines(printed(t, args...)) {
					if strings.HasPrefix(line, "nodegate: all") || strings.ContainsFunc(line, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || r == '\u202e') }) {
						t.Errorf("%v prints %q", args, line)
					}
				}
			}
		})
	}
}

// A pod has something of its own at the path of a profile's device: a volume, a part of one,
// a raw device, the file for its last message. The container is refused, before it runs too.
func TestAttackPathsOfAPod(t *testing.T) {
	dir := t.TempDir()
	policy, file := filepath.Join(dir, "config.toml"), filepath.Join(dir, "pod.yaml")
	write(t, policy, "version = 1\n[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"fuse\"]\n")
	for _, own := range []string{
		"volumeMounts: [{name: v, mountPath: /dev/fuse}]", "volumeMounts: [{name: v, mountPath: /dev/fuse, subPath: a}]",
		"volumeMounts: [{name: v, mountPath: /dev, subPath: a}]", "volumeMounts: [{name: v, mountPath: /dev/, subPathExpr: $(X)}]",
		"volumeDevices: [{name: v, devicePath: /dev//fuse}]", "terminationMessagePath: /dev/fuse",
		"terminationMessagePath: /dev/x/../fuse", "terminationMessagePath: dev/fuse", "terminationMessagePath: /dev",
	} {
		t.Run(own, func(t *testing.T) {
			for _, users := range []bool{true, false} {
				write(t, file, fmt.Sprintf("kind: Pod\nmetadata: {name: a, namespace: ci, annotations: {profiles.nodegate.dev: fuse}}\n"+
					"spec: {hostUsers: %t, containers: [{name: c, %s}], volumes: [{name: v, emptyDir: {}}]}\n", users, own))
				if got := printed(t, "explain", "--config", policy, "-f", file, "--assume-device", "/dev/fuse"); !strings.Contains(got, "[occupied]") {
					t.Errorf("hostUsers %t: %s", users, got)
				}
			}
		})
	}
}

// printed is what a command prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := rootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		fmt.Fprintf(&out, "\n%v", err)
	}
	return out.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
