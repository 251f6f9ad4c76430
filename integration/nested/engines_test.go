// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package nested

import (
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// engine is a script that runs an engine, and what it has to write. In it, $V2 is empty
// on cgroup v1, and $PLAIN is a runc that fits the test node.
type engine struct {
	name, script string
	want         []string
	refusedV1    string // on cgroup v1 it does not run containers: the call that is refused
}

// settings are the variables of a script. A node with cgroup v2 on a machine with v1 has
// no controllers, so that no limit can be set (node.Options.CgroupV2).
func (engine) settings(v2 bool) string {
	if v2 {
		return "V2=yes PLAIN=/share/bin/runc-limitless PODMAN=--pids-limit=-1\n"
	}
	return "V2= PLAIN=runc PODMAN=--cgroups=disabled\n"
}

// What an inner container answers: the directory that the build made, the one file of
// /nodes that is not a device node, and what its root is.
const inner = `/probe each "stat /built" "ls /nodes" "cat /proc/self/mounts"`

const (
	built   = `\"type\":\"dir\"`
	noNodes = `,"fifo",`
)

// ready waits for a daemon: ready COMMAND.
const ready = `
ready() { for i in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; "$@"; }
`

var engines = []engine{
	{name: "runc and crun", script: `
runc run -b /share/plain one
/share/bin/runc run -b /share/plain two
crun run -b /share/plain three
runc run -d -b /share/user four </dev/null >/dev/null
runc exec four /probe id
runc delete -f four
[ -z "$V2" ] || runc run -b /share/limited five
`, want: []string{"hostname-of-inner\nhostname-of-inner\nhostname-of-inner\n", `"uid":1000`}},

	// On the pod's own root, which is an overlay, by fuse-overlayfs; on a volume by the
	// kernel's own. Both bridge to the pod's network.
	{name: "podman", script: `
podman load -q -i /share/inner.tar
podman build -q -t built /share/context
podman run --rm $PODMAN built ` + inner + `
podman run -d --name user --user 1000 --network none $PODMAN built /probe pause
podman exec user /probe id
podman run --rm $PODMAN --network slirp4netns built /probe cat /proc/net/dev
volume="--root /vol/podman --runroot /run/podman-vol"
podman $volume load -q -i /share/inner.tar
podman $volume run --rm $PODMAN local/inner:1 /probe cat /proc/self/mounts
`, want: []string{built, noNodes, "fuse-overlayfs / fuse.fuse-overlayfs", "\noverlay / overlay", `"uid":1000`, "tap0:"}},

	{name: "buildah", script: `
buildah pull -q docker-archive:/share/inner.tar
buildah bud -q -t built /share/context
buildah run --network none $(buildah from built) ` + inner + `
buildah bud -q --isolation chroot -t again /share/context
`, want: []string{built, noNodes, "fuse-overlayfs / fuse.fuse-overlayfs"}},

	{name: "buildkitd", script: ready + `
mkdir layout; tar -C layout -xf /share/inner.tar
export BUILDKIT_HOST=unix:///run/buildkit.sock
/share/bin/buildkitd --addr $BUILDKIT_HOST --root /vol/buildkit --oci-worker-snapshotter overlayfs >buildkitd.log 2>&1 &
ready /share/bin/buildctl debug workers
printf 'FROM inner\nRUN ["/probe", "mkdir", "/built"]\nRUN ["/probe", "each", "stat /built", "ls /nodes", "cat /proc/self/mounts"]\n' >Dockerfile
/share/bin/buildctl build --progress plain --frontend dockerfile.v0 --local context=. --local dockerfile=. --output type=oci,dest=/vol/out.tar \
	--oci-layout inner=layout --opt context:inner=oci-layout://inner@$(sed 's/.*"digest":"\([^"]*\)".*/\1/' layout/index.json)
tar -tf /vol/out.tar index.json
grep ignored buildkitd.log
kill $!
`, want: []string{built, noNodes, "index.json", `file \"nodes/disk\" ignored`, `file \"nodes/null\" ignored`}},

	{name: "containerd", script: ready + `
mkdir -p /etc/containerd
printf 'version = 2\nroot = "/vol/containerd"\n' >/etc/containerd/config.toml
containerd >containerd.log 2>&1 &
ready ctr version
ctr images import /share/inner.tar
grep -o 'file .*ignored' containerd.log
ctr run --rm --runc-binary $PLAIN docker.io/local/inner:1 one ` + inner + `
kill $!
`, want: []string{noNodes, `"overlay / overlay`, `file \"nodes/disk\" ignored`},
		refusedV1: "unable to apply cgroup configuration: mkdir /sys/fs/cgroup/cpuset/default: read-only file system"},

	// On cgroup v1 as a rootless daemon, which makes no cgroups.
	{name: "dockerd", script: ready + `
if [ -n "$V2" ]; then options="--add-runtime plain=$PLAIN --default-runtime plain"; else options=--rootless; fi
dockerd --data-root /vol/docker $options >dockerd.log 2>&1 &
ready docker version
docker load -q -i /share/inner.tar
docker build -q -t built /share/context
docker run --rm built ` + inner + `
docker run --rm --network host built /probe ls /built
docker info --format 'driver {{.Driver}}, cgroups {{.CgroupDriver}}'
kill $!
wait
`, want: []string{built, noNodes, `"overlay / overlay`, "driver overlay2, cgroups "}},
}

// Engines of Debian and of Go modules, none of them changed, build and run an image whose
// layer holds device nodes.
func (x *nest) testEngines(t *testing.T) {
	var names []string
	for _, e := range engines {
		names = append(names, e.name)
	}
	twoAtATime(t, names, func(t *testing.T, i int) {
		e := engines[i]
		want, works := e.want, x.v2 || e.refusedV1 == ""
		if !works {
			want = []string{e.refusedV1}
		}
		output, ok := attempt(t, x.run(t, "nested"), e.settings(x.v2)+e.script)
		if ok != works {
			t.Errorf("it works is %v", ok)
		}
		for _, w := range want {
			if !strings.Contains(output, w) {
				t.Errorf("it did not write %q", w)
			}
		}
		if t.Failed() {
			t.Log(output)
		}
	})
}

// testDoesNotWork is what docs/nested.md says does not, with the call that is refused.
func (x *nest) testDoesNotWork(t *testing.T) {
	c := x.run(t, "nested")
	load := "podman load -q -i /share/inner.tar\n" + engine{}.settings(x.v2)
	for script, says := range map[string]string{
		load + "podman run --rm --privileged --network none $PODMAN local/inner:1 /probe id": "mount `sysfs` to `sys`: Operation not permitted",
		"mkdir l u w m; mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w m":          "wrong fs type, bad option, bad superblock",
	} {
		if output, ok := attempt(t, c, script); ok || !strings.Contains(output, says) {
			t.Errorf("%s: it works is %v, and it has to say %q:\n%s", script, ok, says, output)
		}
	}
	config := x.container()
	config.DropCapabilities = []string{"ALL"}
	p := it.RunPod(t, x.Node, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: true, Annotations: it.AskFor("nested")})
	if output, ok := attempt(t, it.RunContainer(t, p, config), runcRun); ok || !strings.Contains(strings.ToLower(output), "operation not permitted") {
		t.Errorf("without the runtime's default capabilities: it works is %v: %s", ok, output)
	}
}

// testSystemd runs an engine as a unit of systemd, which is PID 1 by a profile of its own.
func (x *nest) testSystemd(t *testing.T) {
	config := x.container()
	config.Command = []string{"/sbin/init"}
	unit := "-p Delegate=yes"
	if !x.v2 {
		// What podman leaves behind ends a moment after it, and systemd is not told when.
		unit += " -p KillMode=process"
	}
	c := it.Run(t, x.Node, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: true, Annotations: it.AskFor("systemd,nested")}, config)
	output, ok := attempt(t, c, engine{}.settings(x.v2)+`
for i in $(seq 300); do systemctl -q is-active sysinit.target 2>/dev/null && break; sleep 0.1; done
systemd-run -q --pipe --wait `+unit+` sh -c "podman load -q -i /share/inner.tar && podman run --rm $PODMAN local/inner:1 /probe ls /nodes"
`)
	if !ok || !strings.HasSuffix(output, "fifo\n") {
		t.Errorf("it works is %v: %s", ok, output)
	}
}

// testLimits hands a controller down to inner containers, as docs/nested.md says; an exec
// finds its way into the container afterwards too.
func (x *nest) testLimits(t *testing.T) {
	c := x.run(t, "nested")
	output, ok := attempt(t, c, `
cd /sys/fs/cgroup
set -- $(cat cgroup.controllers)
[ -n "$1" ] || { echo none; exit; }
echo "+$1" >cgroup.subtree_control && exit 1
mkdir init
for pid in $(cat cgroup.procs); do
	echo "$pid" >init/cgroup.procs || true # has ended
done
echo "+$1" >cgroup.subtree_control
cat init/cgroup.controllers
`)
	switch {
	case output == "none\n":
		t.Skip("the machine's cgroup v2 has no controllers: v1 has all of them")
	case !ok || !strings.Contains(output, "Device or resource busy"):
		t.Errorf("handing a controller down: it works is %v: %s", ok, output)
	}
	if output, ok := attempt(t, c, "runc run -b /share/limited one"); !ok {
		t.Errorf("exec after that: %s", output)
	}
}
