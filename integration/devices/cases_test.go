// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// caseNode is a node whose /dev has what the cases name.
func caseNode(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, d := range []struct {
		name              string
		mode              uint32
		major, minor, gid int
	}{
		{"fuse", unix.S_IFCHR | 0o666, 10, 229, 0}, {"kvm", unix.S_IFCHR | 0o660, 10, 232, 0}, {"ttyUSB0", unix.S_IFCHR | 0o660, 188, 0, 20},
		{"net/tun", unix.S_IFCHR | 0o666, 10, 200, 0}, {"dri/card0", unix.S_IFCHR | 0o660, 226, 0, 44}, {"dri/renderD128", unix.S_IFCHR | 0o660, 226, 128, 993},
		{"snd/controlC0", unix.S_IFCHR | 0o660, 116, 0, 29}, {`disk/by-partlabel/Basic\x20data\x20partition`, unix.S_IFBLK | 0o660, 8, 1, 6},
	} {
		at := filepath.Join(root, "dev", d.name)
		it.Must(t, os.MkdirAll(filepath.Dir(at), 0o755), unix.Mknod(at, d.mode, int(unix.Mkdev(uint32(d.major), uint32(d.minor)))),
			os.Chown(at, 0, d.gid), os.Chmod(at, os.FileMode(d.mode&0o777)))
	}
	for _, dir := range []string{"dri/by-path", "snd/by-path", "empty", "many", "serial/by-id"} {
		it.Must(t, os.MkdirAll(filepath.Join(root, "dev", dir), 0o755))
	}
	it.Must(t, os.Symlink("../renderD128", filepath.Join(root, "dev/dri/by-path/render")), os.Symlink("../../ttyUSB0", filepath.Join(root, "dev/serial/by-id/usb-stick")))
	for i := range 100_000 {
		it.Must(t, unix.Mknod(fmt.Sprintf("%s/dev/many/%d", root, i), unix.S_IFREG, 0))
	}
	return root
}

// What people bring: their manifests, their devices. Each folder of testdata/cases is a
// policy and pods; the first lines of a pod say what must come of it, and those that
// are called wrong are its twins that must not pass. The table goes to the test's log.
func TestCases(t *testing.T) {
	bin, err := node.BinDir()
	it.Must(t, err)
	root := caseNode(t)
	folders, err := filepath.Glob("../testdata/cases/*")
	it.Must(t, err)
	if len(folders) < 8 {
		t.Fatalf("%d folders", len(folders))
	}
	table := "\n"
	for _, folder := range folders {
		files, err := filepath.Glob(folder + "/*")
		it.Must(t, err)
		right, wrong := 0, 0
		for _, file := range files {
			if filepath.Base(file) == "policy.toml" {
				continue
			}
			name := filepath.Base(folder) + "/" + filepath.Base(file)
			if strings.HasPrefix(filepath.Base(file), "wrong-") {
				wrong++
			} else {
				right++
			}
			ok := t.Run(name, func(t *testing.T) { runCase(t, filepath.Join(bin, "nodegate"), root, file) })
			table += fmt.Sprintf("%-50s %s\n", name, map[bool]string{true: "as expected", false: "NOT as expected"}[ok])
		}
		if right == 0 || wrong == 0 {
			t.Errorf("%s has %d right and %d wrong cases", folder, right, wrong)
		}
	}
	t.Log(table)
}

// runCase explains a pod, or checks a policy, and compares what is said.
func runCase(t *testing.T, nodegate, root, file string) {
	text, err := os.ReadFile(file)
	it.Must(t, err)
	var want string
	var says, never []string
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "# want":
			want = value
		case "# says":
			says = append(says, value)
		case "# never":
			never = append(never, value)
		}
	}
	cmd := exec.CommandContext(t.Context(), nodegate, "check", file)
	if strings.HasSuffix(file, ".yaml") {
		policy, err := os.ReadFile(filepath.Join(filepath.Dir(file), "policy.toml"))
		it.Must(t, err)
		config := filepath.Join(t.TempDir(), "config.toml")
		head := fmt.Sprintf("version = 1\nstate.host_root = %q\n", root)
		it.Must(t, os.WriteFile(config, []byte(strings.Replace(string(policy), "version = 1\n", head, 1)), 0o600))
		cmd = exec.CommandContext(t.Context(), nodegate, "explain", "-c", config, "-f", file, "--runtime", "containerd/2.4.2")
	}
	out, err := cmd.CombinedOutput()
	got := strings.Join(strings.Fields(string(out)), " ")
	switch want {
	case "adjusted", "refused", "unchanged":
		says = append(says, ": "+want)
	case "failed":
		if err == nil {
			t.Error("the policy loads")
		}
	case "checked":
	default:
		t.Fatalf("%s does not say what is wanted", file)
	}
	for _, s := range says {
		if !strings.Contains(got, strings.Join(strings.Fields(s), " ")) {
			t.Errorf("does not say %q:\n%s", s, out)
		}
	}
	for _, s := range never {
		if strings.Contains(got, s) {
			t.Errorf("says %q:\n%s", s, out)
		}
	}
}
