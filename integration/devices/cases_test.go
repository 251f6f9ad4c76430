// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/manifest"
	"github.com/nodegate/nodegate/integration/node"
)

// The disk of claims, with numbers that nothing else of a case has.
const claimedMajor, claimedMinor = 7, 201

// caseDevices furnishes a /dev of the node's own, in its mount namespace, with what the
// cases name. Their drivers need not be there: nobody opens one.
const caseDevices = `set -e
mkdir "$1/dev"
mount -t tmpfs -o mode=755 none "$1/dev"
cd "$1/dev"
for n in null zero full random urandom tty fuse kvm; do cp -a "/dev/$n" .; done
mkdir -p pts shm net dri/by-path snd/by-path serial/by-id disk/by-partlabel empty many
mount --rbind /dev/pts pts
node() { mknod -m "$5" "$1" "$2" "$3" "$4"; chown "0:$6" "$1"; }
node net/tun c 10 200 666 0
node ttyUSB0 c 188 0 660 20
node dri/card0 c 226 0 660 44
node dri/renderD128 c 226 128 660 993
node snd/controlC0 c 116 0 660 29
node 'disk/by-partlabel/Basic\x20data\x20partition' b 8 1 660 6
node claimed b 7 201 660 6
# In a user namespace runc binds a node of the host by the container's path, if nobody else
# does it for the container.
node cdi-block-volume b 7 201 660 6
chmod 666 fuse
ln -s ../renderD128 dri/by-path/render
ln -s ../../ttyUSB0 serial/by-id/usb-stick
(cd many && seq 100000 | xargs touch)
mount --rbind "$1/dev" /dev
mount -t tmpfs none /srv
mkdir /srv/shm
`

// What people bring: their manifests, their devices, their containerd. Each folder of
// testdata/cases is a policy and pods, or the roots of nodes. The first lines of a case
// say what must come of it, and those that are called wrong are its twins that must not
// pass. Each pod is explained and is run on a real containerd, and the two come to the
// same spec or the same refusal. The table goes to the test's log.
func TestCases(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse", "/dev/kvm")
	n, w := it.WrappedNode(t, node.Options{})
	if out, err := n.Command("sh", "-c", caseDevices, "sh", n.Dir()).CombinedOutput(); err != nil {
		t.Fatalf("furnishing /dev: %v: %s", err, out)
	}
	folders, err := filepath.Glob("../testdata/cases/*")
	it.Must(t, err)
	if len(folders) < 10 {
		t.Fatalf("%d folders", len(folders))
	}
	table := "\n"
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			x := &cases{node: n}
			if text, err := os.ReadFile(folder + "/policy.toml"); err == nil {
				x.gate, _ = it.StartAgent(t, n, strings.Replace(string(text), "version = 1\n", "", 1))
				w.Configure(t, x.gate.State)
			}
			files, err := filepath.Glob(folder + "/*")
			it.Must(t, err)
			right, wrong := 0, 0
			for _, file := range files {
				name := filepath.Base(file)
				switch {
				case name == "policy.toml":
					continue
				case strings.HasPrefix(name, "wrong-"):
					wrong++
				default:
					right++
				}
				ok := t.Run(name, func(t *testing.T) { x.run(t, file) })
				table += fmt.Sprintf("%-50s %s\n", filepath.Base(folder)+"/"+name, map[bool]string{true: "as expected", false: "NOT as expected"}[ok])
			}
			if right == 0 || wrong == 0 {
				t.Errorf("%d right and %d wrong cases", right, wrong)
			}
		})
	}
	t.Log(table)
}

// cases are those of one folder.
type cases struct {
	node *node.Node
	gate *it.Gate // nil for a folder without a policy
}

// nodegate runs the program as an administrator of the node does.
func (x *cases) nodegate(t *testing.T, args ...string) (string, error) {
	t.Helper()
	bin, err := node.BinDir()
	it.Must(t, err)
	out, err := x.node.Command(filepath.Join(bin, "nodegate"), args...).CombinedOutput()
	return string(out), err
}

func (x *cases) run(t *testing.T, file string) {
	file, err := filepath.Abs(file)
	it.Must(t, err)
	text, err := os.ReadFile(file)
	it.Must(t, err)
	e := expectationsOf(string(text))
	switch filepath.Ext(file) {
	case ".toml":
		out, err := x.nodegate(t, "check", file)
		if (err != nil) != (e.want == "failed") || e.want != "failed" && e.want != "checked" {
			t.Errorf("want %q: %v", e.want, err)
		}
		e.check(t, out)
	case ".txtar":
		x.install(t, txtar.Parse(text), e)
	default:
		x.pods(t, file, text, e)
	}
}

// install plans an installation on a node whose files are these.
func (x *cases) install(t *testing.T, a *txtar.Archive, e expectations) {
	root := t.TempDir()
	for _, f := range a.Files {
		at := filepath.Join(root, f.Name)
		it.Must(t, os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, f.Data, map[bool]os.FileMode{true: 0o755, false: 0o644}[strings.Contains(f.Name, "/bin/")]))
	}
	out, err := x.nodegate(t, append([]string{"install", "--dry-run", "--no-agent", "--root", root}, strings.Fields(e.with)...)...)
	if (err != nil) != (e.want == "refused") || e.want != "refused" && e.want != "planned" {
		t.Errorf("want %q: %v", e.want, err)
	}
	e.check(t, out)
}

// explained is what explain -o json says.
type explained struct {
	Pods []struct {
		Namespace, Pod string
		Containers     []struct {
			Name, Result string
			Refusal      *struct {
				Text string
				Also []struct{ Text string }
			}
		}
	}
}

// pods explains the pods of a manifest and runs them.
func (x *cases) pods(t *testing.T, file string, text []byte, e expectations) {
	explain := func(more ...string) string {
		out, err := x.nodegate(t, append([]string{"explain", "--config", x.gate.Config, "--runtime-endpoint", "unix://" + x.node.CRISocket(), "-f", file}, more...)...)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return out
	}
	var r explained
	it.Must(t, json.Unmarshal([]byte(explain("-o", "json")), &r))
	pods := manifest.Pods(t, text)
	if len(pods) == 0 || len(pods) != len(r.Pods) {
		t.Fatalf("%d pods, and %d are explained", len(pods), len(r.Pods))
	}
	e.check(t, explain())
	for i, p := range pods {
		for j := range p.Spec.Containers {
			of := &r.Pods[i].Containers[j]
			if of.Result != e.want {
				t.Errorf("container %q is explained to be %s, want %s", of.Name, of.Result, e.want)
			}
			config, c := asked(&p, &p.Spec.Containers[j])
			config.Name, config.Namespace, c.Name = "", r.Pods[i].Namespace, of.Name
			after, err := run(t, x.node, config, c)
			var refused *node.EventError
			if of.Refusal != nil {
				if !errors.As(err, &refused) {
					t.Fatalf("it is explained to be refused, and the runtime says %v", err)
				}
				_, reason, _ := strings.Cut(of.Refusal.Text, " of pod "+r.Pods[i].Namespace+"/"+r.Pods[i].Pod+" ")
				for _, also := range of.Refusal.Also {
					reason += "|" + also.Text
				}
				for reason := range strings.SplitSeq(reason, "|") {
					if reason == "" || !strings.Contains(refused.Message, reason) {
						t.Errorf("explain says\n%s\nand the agent\n%s", reason, refused.Message)
					}
				}
				continue
			}
			it.Must(t, err)
			config.Annotations = nil
			before, err := run(t, x.node, config, c)
			it.Must(t, err)
			said, seen := explainedDifference(explain("-o", "diff"), fmt.Sprintf("%s/%s, container %q: ", r.Pods[i].Namespace, r.Pods[i].Pod, of.Name)), specDifference(t, before, after)
			if said.String() != seen.String() || (len(seen) > 0) != (of.Result == "adjusted") {
				t.Errorf("explain says\n%s\nand the specs\n%s", said, seen)
			}
		}
	}
}

// blockVolume is the disk of every claim.
const blockVolume = "/dev/claimed"

// asked is what the runtime is asked for a container. Its ids are those that explain takes
// for granted, and its image is the probe.
func asked(p *manifest.Pod, of *manifest.Container) (node.PodConfig, node.ContainerConfig) {
	config, c := p.Config(), p.Container(of, nil)
	if config.UserNamespace {
		config.UIDMappings = []node.IDMapping{{Host: 65536, Size: 65536}}
		config.GIDMappings = config.UIDMappings
	}
	c.Image, c.Command, c.Env, c.Customize = "", nil, nil, nil
	for _, d := range of.VolumeDevices {
		c.Devices = append(c.Devices, node.Device{HostPath: blockVolume, ContainerPath: d.DevicePath, Permissions: "mrw"})
	}
	return config, c
}
