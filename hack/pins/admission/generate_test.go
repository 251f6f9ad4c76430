// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/nodegate/nodegate/config"
)

// random makes policies and pods that have to do with each other.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, seed))} }

func (r random) pick(from ...string) string { return from[r.IntN(len(from))] }

func (r random) one(in int) bool { return r.IntN(in) == 0 }

// some are a few of them, in any order, without duplicates.
func (r random) some(most int, from ...string) []string {
	var out []string
	for _, i := range r.Perm(len(from))[:r.IntN(min(most, len(from))+1)] {
		out = append(out, from[i])
	}
	return out
}

var (
	profiles   = []string{"a", "b", "c.x", "d", "serial", "unit", "isolated", "outer", "fuse", "nested"}
	namespaces = []string{"ci", "ci-1", "team-a", "b0", "z"}
	labels     = []string{"app", "tier", "example.com/x"}
	values     = []string{"gw", "edge", "5", ""}
	containers = []string{"app", "app-2", "init", "z"}
)

// policy returns a policy's text. exact is false if it has what CEL cannot say.
func (r random) policy() (text string, exact bool) {
	for {
		if text, exact = r.tryPolicy(); text != "" {
			if _, err := config.Parse("config.toml", []byte(text)); err == nil {
				return text, exact
			}
		}
	}
}

func (r random) tryPolicy() (string, bool) {
	text, exact := r.profiles(), true
	for range r.IntN(6) {
		text += r.grant(&exact)
	}
	return text, exact
}

// grants returns the text of a policy with so many grants.
func (r random) grants(n int) string {
	exact, profiles := true, r.profiles()
	grants := ""
	for n > 0 {
		grant := r.grant(&exact)
		if _, err := config.Parse("config.toml", []byte(profiles+grant)); err == nil {
			grants += grant
			n--
		}
	}
	return profiles + grants
}

func (r random) profiles() string {
	var out strings.Builder
	out.WriteString("version = 1\n")
	for _, name := range []string{"a", "b", "c.x", "d"} {
		fmt.Fprintf(&out, "[profiles.%q]\nenv = { %s = \"1\" }\n", name, strings.ToUpper(name[:1]))
	}
	out.WriteString("[profiles.d.resource]\nslots = 3\n[profiles.serial]\n[[profiles.serial.devices]]\npath = \"/dev/ttyS0\"\naccess = \"rw\"\n[profiles.serial.resource]\nexclusive = true\n")
	out.WriteString("[profiles.isolated]\nrequires = { user_namespace = true }\n")
	fmt.Fprintf(&out, "[profiles.unit]\ninclude = [%q]\n[profiles.outer]\ninclude = [%q, \"a\"]\n", r.pick("isolated", "b"), r.pick("unit", "isolated", "b"))
	if r.one(3) {
		out.WriteString("requires = { user_namespace = true }\n")
	}
	return out.String()
}

func (r random) grant(exact *bool) string {
	var out strings.Builder
	fmt.Fprintf(&out, "[[grants]]\nprofiles = %s\nnamespaces = %s\n", list(append(r.some(2, profiles...), r.pick(profiles...))), list(r.globs(exact, namespaces)))
	if r.one(3) {
		fmt.Fprintf(&out, "pods = %q\n", r.selector(exact))
	}
	if r.one(4) {
		fmt.Fprintf(&out, "containers = %s\n", list(r.globs(exact, containers)))
	}
	if r.one(4) {
		fmt.Fprintf(&out, "runtime_handlers = %s\n", list(append(r.some(2, "", "kata"), r.pick("nodegate", "runc", "kata-2"))))
	}
	if r.one(4) {
		fmt.Fprintf(&out, "user_namespace = %q\n", r.pick("required", "forbidden", "any"))
	}
	if r.one(4) {
		out.WriteString("apply = \"always\"\n")
	} else if r.one(8) {
		out.WriteString("accept = [\"devices.nri.io\"]\n")
	}
	return out.String()
}

// list writes a TOML list; a name that is in it twice stays.
func list(names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func (r random) globs(exact *bool, of []string) []string {
	out := r.some(2, of...)
	for range 1 + r.IntN(2) {
		glob := r.pick(append(of, "*", "?*", "[a-c]*", "[^c]*", `c\i`, "*-*", "ci-[0-9]", `[\a-b]?`)...)
		if r.one(12) {
			glob, *exact = r.pick("[z-a]*", `c[9-\0]`), false
		}
		out = append(out, glob)
	}
	return out
}

func (r random) selector(exact *bool) string {
	var all []string
	for range 1 + r.IntN(2) {
		key, value := r.pick(labels...), r.pick(values...)
		if r.one(10) {
			*exact = false
			all = append(all, r.pick("app > 3", "tier<4", "pod-template-hash", "topology.kubernetes.io/zone = a"))
			continue
		}
		all = append(all, r.pick(key+" = "+value, key+"=="+value, key+" != "+value, key+" in ("+r.pick("gw", "edge, gw", "gw,gw,5")+")",
			key+" notin ("+r.pick("5", "gw , edge")+")", key, "!"+key, "! "+key))
	}
	return strings.Join(all, r.pick(",", ", ", " , "))
}

// pod returns one of a namespace. plain is true if everything of it that counts is known to
// admission.
func (r random) pod() (pod map[string]any, plain bool) {
	plain = true
	annotations, podLabels := map[string]any{}, map[string]any{}
	for _, key := range r.some(2, labels...) {
		podLabels[key] = r.pick(values...)
	}
	for _, key := range r.some(2, "/pod", "", "/container.app", "/container.init", "/container.gone") {
		annotations["profiles.nodegate.dev"+key] = r.request()
	}
	if r.one(20) {
		annotations[r.pick("profiles.nodegate.dev/pods", "profiles.nodegate.dev/", "profiles.nodegate.dev/container.", "profiles.nodegate.dev/container.A", "profiles.nodegate.devs",
			"resource.nodegate.dev/d", "resource.nodegate.dev", "prometheus.io/scrape", "profiles.nodegate.dev.")] = "a"
	}
	if r.one(20) {
		annotations["devices.nri.io/pod"], plain = "[]", false
	}
	spec := map[string]any{}
	if r.one(4) {
		spec["hostUsers"] = r.one(2)
	}
	if r.one(6) {
		spec["runtimeClassName"] = r.pick("nodegate", "kata", "")
		plain = plain && spec["runtimeClassName"] == ""
	}
	if r.one(5) {
		spec["initContainers"] = []any{r.container("init")}
	}
	var all []any
	for _, name := range append(r.some(1, containers[1], containers[3]), "app") {
		all = append(all, r.container(name))
	}
	spec["containers"] = all
	metadata := map[string]any{"name": "p", "annotations": annotations, "labels": podLabels}
	for _, key := range []string{"annotations", "labels"} {
		if len(metadata[key].(map[string]any)) == 0 {
			delete(metadata, key)
		}
	}
	return map[string]any{"metadata": metadata, "spec": spec}, plain
}

func (r random) container(name string) map[string]any {
	c := map[string]any{"name": name}
	if r.one(4) {
		limits := map[string]any{}
		for _, profile := range r.some(2, "d", "serial", "a", "none", "isolated") {
			limits["nodegate.dev/"+profile] = r.pick("1", "1", "0")
		}
		limits["cpu"] = "1"
		c["resources"] = map[string]any{"limits": limits}
	}
	return c
}

// request is the value of an annotation.
func (r random) request() string {
	switch r.IntN(12) {
	case 0:
		return r.pick("", " ", "a,,b", ",", "a;b", `"a"`, "nul", "A", "fuse mount", strings.Repeat("a,", 2100)+"a", strings.Repeat("x", 90), "\u00a0a\u2003", "a\tb")
	case 1:
		return "a, a ,fuse"
	}
	return strings.Join(append(r.some(2, profiles...), r.pick(profiles...)), r.pick(",", ", ", " ,"))
}
