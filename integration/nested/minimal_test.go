// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package nested

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// demand is a command that works under the built-in profile, and what it says where the
// profile lacks an entry.
type demand struct{ script, says string }

// demands has every entry of the profile: what is not here, the profile need not have.
var demands = map[string]demand{
	"SYS_ADMIN":  {runcRun, "failed to unshare remaining namespaces: Operation not permitted"},
	"NET_ADMIN":  {runcRun, "error during container init: operation not permitted"},
	"SYS_PTRACE": {runcExec, "/ns/ipc: Permission denied"},

	"fuse":       {"mkdir l u w m; fuse-overlayfs -o lowerdir=l,upperdir=u,workdir=w m; umount m", "fuse-overlayfs: cannot mount: No such file or directory"},
	"tun":        {slirp, `open("/dev/net/tun"): No such file or directory`},
	"proc_mount": {"unshare --user --map-root-user --pid --fork --mount mount -t proc proc /mnt", "/mnt: permission denied"},
	"cgroup":     {"runc run -b /share/limited one", "mkdir /sys/fs/cgroup/limited: read-only file system"},

	"clone":         {crunRun, "clone: Operation not permitted"},
	"unshare":       {runcRun, "failed to unshare remaining namespaces: Operation not permitted"},
	"setns":         {runcExec, "setns: operation not permitted"},
	"mount":         {runcRun, "flags=MS_REC|MS_SLAVE: operation not permitted"},
	"umount2":       {runcRun, "error jailing process inside rootfs: unmount"},
	"pivot_root":    {runcRun, "pivot_root .: operation not permitted"},
	"open_tree":     {crunRun, "open_tree `/sys`: Operation not permitted"},
	"mount_setattr": {crunRun, "mount_setattr `/sys`: Operation not permitted"},
	"move_mount":    {crunRun, "move mount to `/proc/self/fd/"},
	"keyctl":        {runcRun, "unable to join session keyring"},
	"sethostname":   {runcRun, "sethostname: operation not permitted"},

	// Debian 12's mount is older than the one that needs these.
	"fsopen":   {newMount, "fsopen: operation not permitted"},
	"fsconfig": {newMount, "fsconfig: operation not permitted"},
	"fsmount":  {newMount, "fsmount: operation not permitted"},
	"fspick":   {newMount, "fspick: operation not permitted"},
}

// The pinned runc, since Debian's says less of why it failed.
const (
	runcRun  = "/share/bin/runc run -b /share/plain one"
	crunRun  = "crun run -b /share/plain one"
	runcExec = "/share/bin/runc run -d -b /share/user one </dev/null >/dev/null; trap '/share/bin/runc delete -f one' EXIT; /share/bin/runc exec one /probe id"
	newMount = "/probe mount tmpfs /mnt; umount /mnt"
	slirp    = "unshare --net sleep 60 >/dev/null 2>&1 & trap 'kill $(jobs -p)' EXIT; sleep 0.3; slirp4netns --configure --ready-fd 3 $! tap0 3>ready & for i in $(seq 50); do [ -s ready ] && break; kill -0 $!; sleep 0.1; done"
)

// testMinimal takes each entry out of the profile, and something that works with it fails.
// The entries are read from the profile's text: one more needs a demand as well.
func (x *nest) testMinimal(t *testing.T, entries []string) {
	for _, e := range entries {
		if _, ok := demands[e]; !ok {
			t.Errorf("the profile has %q, and nothing here needs it", e)
		}
	}
	if len(entries) != len(demands) || t.Failed() {
		t.Fatalf("the profile has %q, and there are %d demands", entries, len(demands))
	}
	whole := x.run(t, "nested")
	done := map[string]bool{}
	for _, d := range demands {
		if done[d.script] {
			continue
		}
		done[d.script] = true
		if output, ok := attempt(t, whole, d.script); !ok {
			t.Errorf("under the whole profile, %s:\n%s", d.script, output)
		}
	}
	// Containers of one pod, each with its own profile.
	annotations := map[string]string{}
	for _, e := range entries {
		annotations["profiles.nodegate.dev/container."+lacking(e)] = lacking(e)
	}
	p := it.RunPod(t, x.Node, node.PodConfig{Namespace: "ci", Handler: it.Wrapped, UserNamespace: true, Annotations: annotations})
	twoAtATime(t, entries, func(t *testing.T, i int) {
		d, config := demands[entries[i]], x.container()
		config.Name = lacking(entries[i])
		c := it.RunContainer(t, p, config)
		if output, ok := attempt(t, c, d.script); ok || !strings.Contains(output, d.says) {
			t.Errorf("%s: it works is %v, and it has to say %q:\n%s", d.script, ok, d.says, output)
		}
		it.Must(t, c.Remove(t.Context()))
	})
}

// lacking names the profile that lacks an entry.
func lacking(entry string) string {
	return "no-" + strings.ToLower(strings.ReplaceAll(entry, "_", "-"))
}

// nestedText is the profile as config/profiles.toml has it, without comments.
func nestedText(t *testing.T) string {
	t.Helper()
	all, err := os.ReadFile("../../config/profiles.toml")
	it.Must(t, err)
	var text strings.Builder
	in := false
	for line := range strings.Lines(string(all)) {
		if strings.HasPrefix(line, "[") {
			in = strings.HasPrefix(strings.TrimLeft(line, "["), "profiles.nested")
		}
		if code, _, _ := strings.Cut(line, "#"); in && strings.TrimSpace(code) != "" {
			text.WriteString(strings.TrimRight(code, " \n") + "\n")
		}
	}
	return text.String()
}

var (
	listOfNames = regexp.MustCompile(`(?s)\n(include|add|syscalls) = \[(.*?)\]`)
	quotedName  = regexp.MustCompile(`"([^"]+)"`)
	singleKey   = regexp.MustCompile(`(?m)^(cgroup|proc_mount) = .*$`)
	anyKey      = regexp.MustCompile(`(?m)^(\w+) = `)
)

// entriesOf are the names in the profile's lists, and the keys that give something.
func entriesOf(text string) []string {
	var entries []string
	for _, list := range listOfNames.FindAllStringSubmatch(text, -1) {
		for _, name := range quotedName.FindAllStringSubmatch(list[2], -1) {
			entries = append(entries, name[1])
		}
	}
	for _, key := range anyKey.FindAllStringSubmatch(text, -1) {
		// A machine with AppArmor shows what that is needed for (TestProfiles).
		if known := []string{"include", "add", "syscalls", "description", "requires", "action", "apparmor"}; !slices.Contains(known, key[1]) {
			entries = append(entries, key[1])
		}
	}
	return entries
}

// without is the profile without one entry, under the name of lacking.
func without(t *testing.T, text, entry string) string {
	t.Helper()
	less := singleKey.ReplaceAllStringFunc(text, func(line string) string {
		if strings.HasPrefix(line, entry+" = ") {
			return ""
		}
		return line
	})
	less = regexp.MustCompile(`"`+entry+`",?`).ReplaceAllString(less, "")
	if less == text {
		t.Fatalf("%q is not where it was found", entry)
	}
	return strings.ReplaceAll(less, "profiles.nested", "profiles."+lacking(entry))
}
