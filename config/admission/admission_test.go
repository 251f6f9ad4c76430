// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/config"
)

func dataOf(t *testing.T, policy string) Data {
	t.Helper()
	c, err := config.Parse("config.toml", []byte("version = 1\n"+policy))
	if err != nil {
		t.Fatal(err)
	}
	return DataOf(c.Policy.Conditions())
}

// What the rules read of a grant, and what a refusal says to whom it is not for.
func TestData(t *testing.T) {
	const grant = "[[grants]]\nprofiles = [\"fuse\"]\n"
	for _, tc := range []struct{ name, policy, want string }{
		{"exact names and globs", grant + `namespaces = ["ci", "team-*"]`,
			`{"globs":["^team-.*$"],"namespaces":["ci"],"profiles":["fuse"]}`},
		{"an escaped letter is a glob, which matches that letter", grant + `namespaces = ['c\i']`,
			`{"globs":["^ci$"],"profiles":["fuse"]}`},
		{"a selector", grant + "namespaces = [\"ci\"]\npods = \"tier != test, app in (gw, edge), x, !y\"",
			`{"namespaces":["ci"],"otherPods":["only to pods with labels \"app in (edge,gw),tier!=test,x,!y\""],"pods":["app in =edge =gw","tier notin =test","x exists","y absent"],"profiles":["fuse"]}`},
		{"what CEL cannot say of a selector is left out", grant + "namespaces = [\"ci\"]\npods = \"n > 3, app = a, pod-template-hash, topology.kubernetes.io/zone = a\"",
			`{"namespaces":["ci"],"otherPods":["only to pods with labels \"app=a,n\u003e3,pod-template-hash,topology.kubernetes.io/zone=a\""],"pods":["app in =a"],"profiles":["fuse"]}`},
		{"containers, handlers, a user namespace", grant + "namespaces = [\"ci\"]\ncontainers = [\"a*\", \"b\"]\nruntime_handlers = [\"\", \"kata\"]\nuser_namespace = \"required\"",
			`{"containers":["^a.*$","^b$"],"handlers":["","kata"],"namespaces":["ci"],"otherContainers":["only to containers named \"a*\" or \"b\""],"otherHandlers":["only under the default runtime handler, \"kata\""],"profiles":["fuse"],"userNamespace":["required"]}`},
		{"what everybody gets and requires something", "[[grants]]\nprofiles = [\"fuse-mount\", \"ping\"]\nnamespaces = [\"ci\"]\napply = \"always\"",
			`{"always":["fuse-mount"],"namespaces":["ci"],"profiles":["fuse-mount","ping"]}`},
		{"but not if it is unsure who is everybody", "[[grants]]\nprofiles = [\"fuse-mount\"]\nnamespaces = [\"c[z-a]\"]\napply = \"always\"",
			`{"globs":["^c.$"],"profiles":["fuse-mount"]}`},
	} {
		d := dataOf(t, tc.policy)
		if have := literal(d.Grants[0]); have != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, have, tc.want)
		}
	}
	d := dataOf(t, `[profiles.outer]
include = ["nested"]
[profiles.serial]
devices = [{ path = "/dev/ttyS0", access = "rw" }]
resource = { exclusive = true }
[[grants]]
profiles = ["outer"]
namespaces = ["a", "b-?"]
apply = "always"
`)
	if d.Requiring["outer"] != "nested" || d.Requiring["ping"] != "" || !slices.Equal(d.Exclusive, []string{"serial"}) ||
		d.Always != "^(?:^b-.$|a)$" || !slices.IsSorted(d.Names) || !slices.Contains(d.Names, "ping") {
		t.Errorf("got %+v", d)
	}
}

// A regular expression matches what its glob matches, and more if it says so.
func TestGlobRegexp(t *testing.T) {
	random := rand.New(rand.NewPCG(17, 17))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var names []string
	for range 100 {
		name := ""
		for range 1 + random.IntN(5) {
			name += pick("a", "b", "c", "-", "0", "9", "z", "ci")
		}
		names = append(names, name)
	}
	exact, all := 0, 0
	for range 4000 {
		glob := ""
		for range 1 + random.IntN(6) {
			glob += pick("a", "b", "-", "0", "*", "?", "[", "]", "^", `\`, "[a-c]", "[^b]", "[z-a]", `[\z-\a]`, `[\\-a]`, `[^^-a]`, `[a-\]]`)
		}
		if _, err := path.Match(glob, ""); err != nil {
			continue
		}
		all++
		text, sure := globRegexp(glob)
		re, err := regexp.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", glob, err)
		}
		if sure {
			exact++
		}
		for _, name := range names {
			if want, _ := path.Match(glob, name); want != re.MatchString(name) && (want || sure) {
				t.Fatalf("%s as %s, sure: %v: %q", glob, text, sure, name)
			}
		}
	}
	if all < 500 || exact < all/3 {
		t.Errorf("%d of %d globs are exact", exact, all)
	}
}

// A policy that is too large is refused with what to do, and one of a thousand grants is not.
func TestRenderBounds(t *testing.T) {
	grants := func(n, namespaces int) (d Data) {
		for i := range n {
			g := map[string][]string{"profiles": {"fuse", "ping"}, "pods": {fmt.Sprintf("app in =app-%d", i)}, "otherPods": {fmt.Sprintf(`only to pods with labels "app=app-%d"`, i)}}
			for j := range namespaces {
				g["namespaces"] = append(g["namespaces"], fmt.Sprintf("namespace-%d-%d", i, j))
			}
			d.Grants = append(d.Grants, g)
		}
		return d
	}
	for _, tc := range []struct {
		data Data
		want string
	}{
		{grants(1000, 2), ""},
		{grants(5000, 1), ""},
		{grants(10_000, 1), "the 10000 grants of the policy make an object of"},
		{grants(3, 2000), "grants 1 to 3 of the policy are"},
	} {
		text, err := Render(tc.data, "x")
		switch {
		case tc.want == "" && err != nil, tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%d grants: %v", len(tc.data.Grants), err)
		case err == nil:
			t.Logf("%d grants: %d bytes", len(tc.data.Grants), len(text))
		}
	}
}
