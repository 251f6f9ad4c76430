// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"errors"
	"flag"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/nodegate/nodegate/config"
	rendered "github.com/nodegate/nodegate/config/admission"
	"github.com/nodegate/nodegate/plugin/policy"
)

// oldest is the environment that Kubernetes 1.30 holds new expressions to.
var oldest = version.MajorMinor(1, 29)

// rulesOf compiles what is rendered of a policy.
func rulesOf(t testing.TB, text string) (*rules, *policy.Policy) {
	t.Helper()
	c, err := config.Parse("config.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rendered.Render(rendered.DataOf(c.Policy.Conditions()), "nodegate-requests")
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, objects, oldest), c.Policy
}

// engine returns what the agent says of the first container of a pod that it refuses.
func engine(p *policy.Policy, pod map[string]any, namespace, handler string) error {
	metadata, spec := pod["metadata"].(map[string]any), pod["spec"].(map[string]any)
	first, _ := spec["initContainers"].([]any)
	for _, one := range append(first[:len(first):len(first)], spec["containers"].([]any)...) {
		c := one.(map[string]any)
		r := &policy.Request{Namespace: namespace, Pod: "p", Container: c["name"].(string), Handler: handler,
			Labels: texts(metadata["labels"]), Annotations: texts(metadata["annotations"]), UserNamespace: policy.Is(spec["hostUsers"] == false)}
		if resources, ok := c["resources"].(map[string]any); ok {
			for key, count := range resources["limits"].(map[string]any) {
				if name, ours := strings.CutPrefix(key, policy.ResourceDomain); ours && count != "0" {
					if r.Allotted == nil {
						r.Allotted = policy.Allotted{}
					}
					r.Allotted[name] = policy.Is([]string{"unit"})
				}
			}
		}
		if err := decide(p, r); err != nil {
			return err
		}
	}
	return nil
}

// decide says both what is wrong with the request and with what it would get, as the agent.
func decide(p *policy.Policy, r *policy.Request) error {
	selected, wrong := p.Select(r)
	if wrong != nil {
		selected = policy.Rest(wrong)
	}
	_, err := p.Decide(selected, &policy.Facts{Request: *r})
	var refusal *policy.Refusal
	if errors.As(err, &refusal) && refusal.Code != policy.Unmet {
		err = nil // what only a node can say
	}
	return policy.Together(wrong, err)
}

func texts(m any) map[string]string {
	out := map[string]string{}
	values, _ := m.(map[string]any)
	for key, value := range values {
		out[key] = value.(string)
	}
	return out
}

// tally counts what a comparison saw.
type tally struct {
	pairs, denied, worded int
	unworded              bool // only the answers are compared
}

// compare holds one answer of admission to the engine's: never stricter, and never laxer
// where all that counts is known.
func (n *tally) compare(t testing.TB, r *rules, p *policy.Policy, pod map[string]any, namespace, handler string, known bool) {
	t.Helper()
	n.pairs++
	got, want := r.judge("Pod", "", pod, nil, namespace), engine(p, pod, namespace, handler)
	switch {
	case got.err != nil:
		t.Errorf("cannot be evaluated: %v", got.err)
	case got.denied && want == nil:
		t.Errorf("stricter than the engine: %s", got.message)
	case !got.denied && want != nil && known:
		t.Errorf("laxer than the engine: %v", want)
	case got.denied && known:
		n.denied++
		if !n.unworded && !worded(got.message, want) {
			t.Errorf("admission's words:\n%s\nthe engine's:\n%s", got.message, want)
		} else {
			n.worded++
		}
	}
	if t.Failed() {
		t.Errorf("in namespace %s under %q: %v", namespace, handler, pod)
	}
}

// hint is what admission does not say: it counts no letters.
var hint = regexp.MustCompile(`: did you mean "[^"]*"\?`)

// whom is how each refusal begins.
var whom = regexp.MustCompile(`^nodegate: container "[^"]*" of pod [^ ]* `)

// more is how admission ends where it does not say all reasons.
var more = regexp.MustCompile(`; (?:and \d+ more,|for all of it) see nodegate explain -f$`)

// maxMessage is how much an API server shows, in bytes.
const maxMessage = 5120

// claimed are the codes of what a manifest alone tells.
var claimed = map[policy.Code]bool{policy.NotGranted: true, policy.UnknownProfile: true, policy.BadRequest: true, policy.NotAllotted: true, policy.Unmet: true}

// worded reports whether admission says the engine's reasons in its words, all of them or
// as many as there is room for. The engine may have more, that only a node knows.
func worded(admission string, engine error) bool {
	var refusal *policy.Refusal
	if !errors.As(engine, &refusal) || len(admission) > maxMessage {
		return false
	}
	first := hint.ReplaceAllString(refusal.Text, "")
	who := whom.FindString(first)
	all := map[string]bool{strings.TrimPrefix(first, who) + " [" + string(refusal.Code) + "]": true}
	for _, also := range refusal.Also {
		if !claimed[also.Code] {
			continue
		}
		all[hint.ReplaceAllString(also.Text, "")+" ["+string(also.Code)+"]"] = true
	}
	said, ok := strings.CutPrefix(more.ReplaceAllString(admission, ""), who)
	known := 0
	for reason := range all {
		if strings.Contains(said, reason) {
			said = strings.Replace(said, reason, "", 1)
			known++
		}
	}
	return ok && known > 0 && strings.Trim(said, "; and") == "" && (known == len(all) || more.MatchString(admission))
}

var (
	policies = flag.Int("policies", 80, "how many random policies, with 50 pods each")
	seed     = flag.Uint64("seed", 17, "of the random policies")
)

// Thousands of pairs of a policy and a pod: admission and the engine agree.
func TestAdmissionIsAsTheEngineSays(t *testing.T) {
	const pods = 50
	r := newRandom(*seed)
	var n tally
	start := time.Now()
	for range *policies {
		text, exact := r.policy()
		compiled, p := rulesOf(t, text)
		for range pods {
			pod, plain := r.pod()
			handler := ""
			if class, _ := pod["spec"].(map[string]any)["runtimeClassName"].(string); class != "" {
				handler = r.pick("nodegate", "kata", "runc", "")
			}
			n.compare(t, compiled, p, pod, r.pick(namespaces...), handler, exact && plain)
			if t.Failed() {
				t.Fatal(text)
			}
		}
	}
	t.Logf("%d policies, %d pairs of a policy and a pod, %d refused by both in the same words, in %v", *policies, n.pairs, n.worded, time.Since(start).Round(time.Millisecond))
	if n.denied < n.pairs/5 || n.denied > n.pairs*4/5 {
		t.Errorf("%d of %d are denied: the pods tell little", n.denied, n.pairs)
	}
}

// All reasons are said as far as an API server shows them, and that there are more.
func TestManyReasonsAtApply(t *testing.T) {
	long := strings.Repeat("long-", 11) + "name"
	text := "version = 1\n[profiles." + long + "]\nenv = { A = \"1\" }\n[[grants]]\nnamespaces = [\"ci\"]\nprofiles = [\"fuse\", \"" + long + "\"]\n"
	r, p := rulesOf(t, text)
	for _, tc := range []struct{ names, length, said int }{{1, 1, 1}, {5, 60, 5}, {12, 60, 12}, {18, 60, 18}, {20, 5, 20}, {20, 180, 16}, {21, 5, 20}, {400, 5, 20}} {
		var names []string
		for i := range tc.names {
			names = append(names, fmt.Sprint(i)+strings.Repeat("x", tc.length))
		}
		pod := map[string]any{"metadata": map[string]any{"name": "p", "annotations": map[string]any{"profiles.nodegate.dev/pod": strings.Join(names, ",")}},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "app"}}}}
		got, want := r.judge("Pod", "", pod, nil, "ci"), engine(p, pod, "ci", "")
		t.Logf("%d names of %d characters: %d bytes, cost %d, …%s", tc.names, tc.length, len(got.message), got.cost, got.message[max(0, len(got.message)-60):])
		if !got.denied || got.err != nil || !worded(got.message, want) || strings.Count(got.message, "asks for profile") != tc.said ||
			more.MatchString(got.message) != (tc.said < tc.names) {
			t.Errorf("%d names of %d characters: %v, %d bytes\n%s\n%v", tc.names, tc.length, got.err, len(got.message), got.message, want)
		}
	}
}

// Whatever a pod's annotations say: admission and the engine agree.
func FuzzAdmissionIsAsTheEngineSays(f *testing.F) {
	f.Add(uint64(1), "profiles.nodegate.dev/pod", "a, b", "profiles.nodegate.dev/container.app", "", "app", "gw", "ci")
	f.Add(uint64(2), "profiles.nodegate.dev", "fuse\u00a0,d", "resource.nodegate.dev/d", "x", "tier", "", "team-a")
	f.Add(uint64(3), "profiles.nodegate.dev/pods", "a;b", "profiles.nodegate.dev", "nested,,", "x", "y", "z")
	f.Fuzz(func(t *testing.T, seed uint64, key1, value1, key2, value2, label, labelValue, namespace string) {
		r := newRandom(seed)
		text, exact := r.policy()
		compiled, p := rulesOf(t, text)
		pod, plain := r.pod()
		metadata := pod["metadata"].(map[string]any)
		valid := func(s string) string { return strings.ToValidUTF8(s, "") } // as all of JSON is
		metadata["annotations"] = map[string]any{valid(key1): valid(value1), valid(key2): valid(value2)}
		metadata["labels"] = map[string]any{valid(label): valid(labelValue)}
		var n tally
		n.unworded = true // how a name is quoted differs
		n.compare(t, compiled, p, pod, valid(namespace), "", exact && plain && pod["spec"].(map[string]any)["runtimeClassName"] == nil && !strings.Contains(key1+key2, "devices.nri.io"))
	})
}
