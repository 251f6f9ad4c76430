// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Allocations and times of a selection and a decision, by the number of grants
// that the policy has and by how they are written.

// policyShape writes the i-th grant of a policy, and the pod that it concerns.
type policyShape struct {
	name  string
	grant func(i int, g *Grant)
	pod   func(i int, r *Request)
}

func policyShapes() []policyShape {
	return []policyShape{
		{"exact", func(i int, g *Grant) { g.Namespaces = []string{fmt.Sprintf("team-%d", i)} },
			func(i int, r *Request) { r.Namespace = fmt.Sprintf("team-%d", i) }},
		{"prefix", func(i int, g *Grant) { g.Namespaces = []string{fmt.Sprintf("team-%d-*", i)} },
			func(i int, r *Request) { r.Namespace = fmt.Sprintf("team-%d-web", i) }},
		{"suffix", func(i int, g *Grant) { g.Namespaces = []string{fmt.Sprintf("*-team-%d", i)} },
			func(i int, r *Request) { r.Namespace = fmt.Sprintf("web-team-%d", i) }},
		{"both-ends", func(i int, g *Grant) { g.Namespaces = []string{fmt.Sprintf("t-*-team-%d", i)} },
			func(i int, r *Request) { r.Namespace = fmt.Sprintf("t-web-team-%d", i) }},
		{"one-namespace-profiles", func(i int, g *Grant) {
			g.Namespaces, g.Profiles, g.Always = []string{"one"}, []string{fmt.Sprintf("p%d", i)}, false
		}, func(i int, r *Request) {
			r.Namespace, r.Annotations = "one", map[string]string{AnnotationPod: fmt.Sprintf("p%d", i)}
		}},
		{"one-namespace-pods", func(i int, g *Grant) {
			g.Namespaces, g.Pods = []string{"one"}, hasLabel{"app", fmt.Sprint(i)}
		}, func(i int, r *Request) {
			r.Namespace, r.Labels = "one", map[string]string{"app": fmt.Sprint(i), "tier": "web", "pod-template-hash": "7d4"}
		}},
	}
}

func (s policyShape) policy(t testing.TB, grants int) *Policy {
	src := Source{ShadowDir: "/dev/.udev/nodegate", Profiles: []Profile{benchProfile("p")}}
	for i := range grants {
		src.Profiles = append(src.Profiles, benchProfile(fmt.Sprintf("p%d", i)))
		g := Grant{Source: "p.toml:1", Profiles: []string{"p"}, Always: true}
		s.grant(i, &g)
		src.Grants = append(src.Grants, g)
	}
	return compile(t, src)
}

func benchProfile(name string) Profile {
	return Profile{Name: name, Capabilities: Capabilities{Add: []string{"CAP_NET_ADMIN"}},
		Devices: []DeviceRule{{Path: "/dev/net/tun", Access: "rw"}}, Sysctls: map[string]string{"net.ipv4.ping_group_range": "0 {max_gid}"}}
}

// facts of a container that the middle grant of a policy concerns, or none.
func (s policyShape) facts(grants int, concerned bool) *Facts {
	f := facts()
	f.Request.Labels = map[string]string{"app": "web", "tier": "web"}
	f.Request.Annotations = map[string]string{"kubernetes.io/config.source": "api", "prometheus.io/scrape": "true"}
	f.Request.Namespace = "elsewhere"
	if concerned {
		s.pod(grants/2, &f.Request)
	}
	f.Host.Devices = map[DeviceSelector]DeviceLookup{{Path: "/dev/net/tun"}: {Nodes: []HostDevice{{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, Mode: 0o666}}}}
	f.Container.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: "/dev", Type: "tmpfs"}, {Destination: "/etc/hosts", Type: "bind"}}
	return f
}

// decideOnce is what is measured: both steps.
func decideOnce(p *Policy, f *Facts) (Decision, error) {
	s, err := p.Select(&f.Request)
	if err != nil {
		return Decision{}, err
	}
	return p.Decide(s, f)
}

func BenchmarkDecide(b *testing.B) {
	for _, shape := range policyShapes() {
		for _, concerned := range []bool{true, false} {
			for _, grants := range []int{1, 100, 1000, 10000} {
				whom := map[bool]string{true: "granted", false: "unmatched"}[concerned]
				b.Run(fmt.Sprintf("%s/%s/grants=%d", shape.name, whom, grants), func(b *testing.B) {
					p, f := shape.policy(b, grants), shape.facts(grants, concerned)
					b.ReportAllocs()
					for b.Loop() {
						if d, err := decideOnce(p, f); err != nil || len(d.Profiles) > 0 != concerned {
							b.Fatal(d, err)
						}
					}
				})
			}
		}
	}
}

// A container that no grant concerns must cost nothing: most are such.
func TestUnconcernedAllocatesNothing(t *testing.T) {
	for _, shape := range policyShapes() {
		for _, grants := range []int{0, 1, 1000} {
			p, f := shape.policy(t, grants), shape.facts(grants, false)
			for _, ns := range []string{"elsewhere", "one", "team-x"} {
				f.Request.Namespace = ns
				if got := testing.AllocsPerRun(100, func() {
					if d, err := decideOnce(p, f); err != nil || len(d.Profiles) > 0 {
						t.Fatal(d, err)
					}
				}); got != 0 {
					t.Errorf("%s, %d grants, namespace %s: %v allocations", shape.name, grants, ns, got)
				}
			}
		}
	}
}

// A decision costs what matches, not what exists: among 1,000 grants no more
// than three times what it costs with one. Each measure is the median of
// many short ones, taken in turns so that a busy machine slows both.
func BenchmarkDecideScales(b *testing.B) {
	for _, shape := range policyShapes() {
		for _, concerned := range []bool{true, false} {
			var run [2]func()
			for i, grants := range []int{1, 1000} {
				p, f := shape.policy(b, grants), shape.facts(grants, concerned)
				run[i] = func() {
					if d, err := decideOnce(p, f); err != nil || len(d.Profiles) > 0 != concerned {
						b.Fatal(d, err)
					}
				}
			}
			one, thousand := medians(run)
			for try := 0; try < 8 && thousand > 3*one; try++ {
				one, thousand = medians(run) // it may have been the machine
			}
			b.Logf("%s, granted %v: %.0f ns with 1 grant, %.0f ns with 1,000", shape.name, concerned, one, thousand)
			if thousand > 3*one {
				b.Errorf("%s, granted %v: %.0f ns with 1 grant, %.0f ns with 1,000", shape.name, concerned, one, thousand)
			}
		}
	}
}

// medians returns the nanoseconds that each function takes.
func medians(run [2]func()) (first, second float64) {
	const turns, times = 51, 20
	var took [2][]float64
	for range turns {
		for i := range run {
			start := time.Now()
			for range times {
				run[i]()
			}
			took[i] = append(took[i], float64(time.Since(start).Nanoseconds())/times)
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][turns/2], took[1][turns/2]
}
