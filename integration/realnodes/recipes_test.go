// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/internal/manifest"
	"github.com/nodegate/nodegate/integration/internal/recipes"
	"github.com/nodegate/nodegate/integration/node"
)

// tree is where a machine has the page and what else is read with it.
const tree = tests + "/tree"

// changedHere is what is written in a recipe's manifest for this machine.
var changedHere = map[string][]string{
	// buildah takes a slirp4netns that is not ready within a second for one that failed, and
	// podman wants more open files than containerd's own unit gives (docs/nested.md).
	"Image builds": {`buildah bud `, `buildah bud --network=none `, `profiles.nodegate.dev: nested`, `profiles.nodegate.dev: nested, podman`},
}

// cooks brings the recipes and their policies to the machine and runs them there.
func (m *machine) cooks() {
	m.Helper()
	policies := `version = 1
[profiles.podman]
rlimits = { nofile = "1048576" }
[[grants]]
profiles   = ["nested", "podman"]
namespaces = ["builds"]
`
	for _, r := range recipes.Read(m.T, "../..") {
		policies += strings.TrimPrefix(r.Policy, "version = 1\n")
	}
	for _, name := range recipes.Files(m.T, "../..") {
		it.Must(m.T, m.Copy(m.Context(), filepath.Join("../..", name), tree+"/"+name))
	}
	m.policy(policies)
	m.inside("recipes")
}

// recipePods: the recipes' pods print what the page shows where AppArmor enforces, as its
// default for containers or as the profile that nodegate loads.
func recipePods(t *testing.T) {
	n := attach(t)
	here := recipes.Read(t, tree)
	for title := range recipes.ReadAll(t, tree) {
		if here[title] == nil {
			t.Logf("%s: not here: its pod asks by a resource, which takes a kubelet", title)
		}
	}
	for title, r := range here {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			k := &kitchen{T: t, node: n, recipe: r}
			k.run()
			k.confined()
			t.Logf("done after %.1f s", time.Since(began).Seconds())
		})
	}
}

// kitchen is where one recipe's pod runs.
type kitchen struct {
	*testing.T
	node       *node.Node
	recipe     *recipes.Recipe
	containers []*node.Container // in the order of their starts
}

// run does what the page does.
func (k *kitchen) run() {
	k.Helper()
	k.cook(k.recipe.Manifest(k.T, changedHere[k.recipe.Title]...))
	for _, c := range k.recipe.Console {
		k.shows(c)
	}
}

// cook runs the pod as the kubelet does: a container with a probe is waited for.
func (k *kitchen) cook(text string) {
	k.Helper()
	p := manifest.Pods(k.T, []byte(text))[0]
	volumes := k.volumes(&p)
	pod := it.RunPod(k.T, k.node, p.Config())
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for j := range c.Env {
			if c.Env[j].Value == "" { // the node's address
				c.Env[j].Value = it.Gateway
			}
		}
		running := it.RunContainer(k.T, pod, p.Container(&c, volumes))
		k.containers = append(k.containers, running)
		if probe := c.StartupProbe.Exec.Command; len(probe) > 0 {
			k.polls("the probe of container "+c.Name, func() string {
				r, err := running.Exec(k.Context(), probe...)
				if err == nil && r.Code == 0 {
					return ""
				}
				return fmt.Sprint(r, err)
			})
		}
	}
}

// polls waits for a condition that says what it still lacks.
func (k *kitchen) polls(what string, condition func() string) {
	k.Helper()
	lacks := ""
	for until := time.Now().Add(limit); time.Now().Before(until); {
		began := time.Now()
		if lacks = condition(); lacks == "" {
			return
		}
		if strings.Contains(lacks, "CONTAINER_EXITED") {
			break
		}
		time.Sleep(time.Second + time.Since(began)) // what asks takes no more than half of the machine
	}
	for _, c := range k.containers {
		k.Logf("container %q:\n%s", c.Config.Name, logged(c))
	}
	k.Fatalf("%s: %s", what, lacks)
}

// volumes makes the directories of a pod's volumes: any user may write to an emptyDir.
func (k *kitchen) volumes(p *manifest.Pod) map[string]string {
	k.Helper()
	top, err := os.MkdirTemp("/var/lib", "volumes-")
	it.Must(k.T, err, os.Chmod(top, 0o755))
	k.Cleanup(func() { it.Must(k.T, os.RemoveAll(top)) })
	all := map[string]string{}
	for _, v := range p.Spec.Volumes {
		dir := filepath.Join(top, v.Name)
		it.Must(k.T, os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777))
		for name, text := range k.configMap(v.ConfigMap.Name) {
			it.Must(k.T, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		all[v.Name] = dir
	}
	return all
}

// configMap is the data of the recipe's ConfigMap of a name.
func (k *kitchen) configMap(name string) map[string]string {
	k.Helper()
	for _, object := range k.recipe.Objects {
		var o struct {
			Kind     string
			Metadata struct{ Name string }
			Data     map[string]string
		}
		it.Must(k.T, yaml.Unmarshal([]byte(object), &o))
		if o.Kind == "ConfigMap" && o.Metadata.Name == name {
			return o.Data
		}
	}
	return nil
}

// shows does what a command of the page does until it prints what the page shows. What
// another pod shows, "without" a profile, is the same everywhere.
func (k *kitchen) shows(c recipes.Transcript) {
	k.Helper()
	words, want := recipes.Words(k.T, c.Command), recipes.Pattern(c.Want)
	if slices.Contains(words, "without") {
		return
	}
	if i := slices.Index(words, "podman"); i >= 0 { // as in changedHere
		words = slices.Insert(words, i+2, "--network=none")
	}
	k.polls(c.Command, func() string {
		got := recipes.Printed(k.kubectl(words), nil)
		if want.MatchString(got + "\n") {
			return ""
		}
		return "it printed\n" + got + "\nand the page shows\n" + c.Want
	})
}

// kubectl does what the page uses of kubectl with the pod: exec and logs.
func (k *kitchen) kubectl(words []string) string {
	k.Helper()
	of := func(verb string) bool {
		return slices.Equal(words[:min(5, len(words))], []string{"kubectl", "-n", k.recipe.Namespace, verb, k.recipe.Pod})
	}
	in := k.containers[len(k.containers)-1]
	program := slices.Index(words, "--")
	switch {
	case of("logs"):
		return logged(in)
	case of("exec") && program > 0:
		r, err := in.Exec(k.Context(), words[program+1:]...)
		if err != nil {
			return err.Error()
		}
		if r.Code != 0 {
			r.Stderr += fmt.Sprintf("command terminated with exit code %d", r.Code)
		}
		return r.Stdout + r.Stderr
	}
	k.Fatalf("%q is not what this test knows", words)
	return ""
}

// logged is what a container wrote, without the CRI's words before each line.
func logged(c *node.Container) string {
	text, err := c.Log()
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		if f := strings.SplitN(line, " ", 4); len(f) == 4 {
			if f[2] == "P" { // a part of a line
				f[3] = strings.TrimSuffix(f[3], "\n")
			}
			out.WriteString(f[3])
		}
	}
	return out.String()
}

// mounting are the containers that the recipes let mount.
var mounting = []string{"files", "buildah", "docker"}

// confined sees that AppArmor confines each container: those that mount by nodegate's profile.
func (k *kitchen) confined() {
	k.Helper()
	for _, c := range k.containers {
		pid, err := c.Pid()
		it.Must(k.T, err)
		label, err := os.ReadFile(fmt.Sprintf("/proc/%d/attr/current", pid))
		it.Must(k.T, err)
		want := defaultAppArmor
		if slices.Contains(mounting, c.Config.Name) {
			want = mountsAppArmor
		}
		if string(label) != want {
			k.Errorf("container %q runs as %q, want %q", c.Config.Name, label, want)
		}
	}
}
