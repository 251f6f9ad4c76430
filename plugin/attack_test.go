// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"
	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/proto"

	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// A pod writes a nonce of its own or of another container. The container is decided
// about as any other.
func TestAttackForgedNonce(t *testing.T) {
	needRoot(t)
	for name, forge := range map[string]func(own string) string{
		"invented":                func(string) string { return strings.Repeat("0", 32) },
		"another container's":     func(own string) string { return own },
		"the same in capitals":    strings.ToUpper,
		"its beginning":           func(own string) string { return own[:16] },
		"with a space":            func(own string) string { return own + " " },
		"with a line break":       func(own string) string { return own + "\n" },
		"twice":                   func(own string) string { return own + "," + own },
		"empty":                   func(string) string { return "" },
		"a path":                  func(string) string { return "../decisions/victim.json" },
		"of a megabyte":           func(string) string { return strings.Repeat("0", 1<<20) },
		"not text":                func(string) string { return "\xff\x00" },
		"a record as it is on it": func(own string) string { return `{"nonce":"` + own + `"}` },
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPlugin(t, t.TempDir())
			victim := create(t, p, testPod("ping"), "victim")
			nonce := forge(victim.Annotations[record.Annotation])
			forged := func() *api.Container {
				c := testContainer("forged")
				c.Annotations = map[string]string{record.Annotation: nonce}
				return c
			}
			for what, err := range map[string]error{
				"started":   p.StartContainer(t.Context(), testPod("ping"), forged()),
				"validated": p.ValidateContainerAdjustment(t.Context(), &api.ValidateContainerAdjustmentRequest{Pod: testPod("ping"), Container: forged(), Adjust: &api.ContainerAdjustment{Annotations: forged().Annotations}}),
			} {
				if refusal := (*policy.Refusal)(nil); !errors.As(err, &refusal) || refusal.Code != policy.Unadjusted {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, _, err := p.CreateContainer(t.Context(), testPod("kvm"), forged()); err == nil {
				t.Error("what is not granted is not refused")
			}
			adjust, _, err := p.CreateContainer(t.Context(), testPod("ping"), forged())
			if err != nil || adjust.GetAnnotations()[record.Annotation] == nonce {
				t.Errorf("what is granted: %v, %v", adjust, err)
			}
		})
	}
}

// A pod or container has the marks that runtimes, clusters and nodegate itself leave.
// They change nothing.
func TestAttackMarks(t *testing.T) {
	needRoot(t)
	pod := func(annotations map[string]string) *api.PodSandbox {
		out := testPod("")
		out.Namespace, out.Annotations = "locked", annotations
		return out
	}
	answer := func(t *testing.T, onPod, onContainer map[string]string) string {
		t.Helper()
		ctr := testContainer("c1")
		ctr.Annotations = onContainer
		adjust, _, err := newTestPlugin(t, t.TempDir()).CreateContainer(t.Context(), pod(onPod), ctr)
		if err != nil {
			t.Fatal(err)
		}
		delete(adjust.GetAnnotations(), record.Annotation)
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(adjust)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := answer(t, nil, nil)
	for key, value := range map[string]string{
		"nodegate.dev/nonce":                               strings.Repeat("0", 32),
		"nodegate.dev/exempt":                              "true",
		"profile.nodegate.dev/pod":                         "zero",
		"io.kubernetes.cri.container-type":                 "sandbox",
		"io.kubernetes.cri.sandbox-namespace":              "kube-system",
		"io.kubernetes.cri.sandbox-id":                     "other",
		"io.kubernetes.cri.container-name":                 "other",
		"io.kubernetes.cri-o.ContainerType":                "sandbox",
		"io.kubernetes.cri-o.Namespace":                    "kube-system",
		"io.kubernetes.cri-o.userns-mode":                  "auto:size=65536",
		"io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel":    "true",
		"io.container.manager":                             "libpod",
		"io.kubernetes.pod.namespace":                      "kube-system",
		"kubernetes.io/config.source":                      "file",
		"kubernetes.io/config.mirror":                      "x",
		"required-plugins.noderesource.dev":                "[]",
		"tolerate-missing-plugins.noderesource.dev":        "true",
		"k3s.io/node-args":                                 "[]",
		"objectset.rio.cattle.io/hash":                     "x",
		"container.seccomp.security.alpha.kubernetes.io/a": "unconfined",
		"seccomp.security.alpha.kubernetes.io/pod":         "unconfined",
	} {
		t.Run(key, func(t *testing.T) {
			mark := map[string]string{key: value}
			if answer(t, mark, nil) != want {
				t.Error("the pod's changes the answer")
			}
			if answer(t, nil, maps.Clone(mark)) != want {
				t.Error("the container's changes the answer")
			}
		})
	}
}

// Containers have much for the agent to remember: labels, keys, annotations. What is
// kept of each has a bound.
func TestAttackMemory(t *testing.T) {
	const count = 50
	fill := func(of map[string]string, key string, many, each int) {
		for i := range many {
			of[fmt.Sprint(key, i)] = strings.Repeat("x", each)
		}
	}
	for name, enlarge := range map[string]func(pod *api.PodSandbox){
		"labels":                   func(p *api.PodSandbox) { fill(p.Labels, "label-", 2000, 60) },
		"annotations":              func(p *api.PodSandbox) { fill(p.Annotations, "a-", 2000, 60) },
		"keys almost ours":         func(p *api.PodSandbox) { fill(p.Annotations, "profiles.nodegate.dev/odd-", 2000, 60) },
		"keys of ours, containers": func(p *api.PodSandbox) { fill(p.Annotations, "profiles.nodegate.dev/container.c", 2000, 60) },
		"a long request":           func(p *api.PodSandbox) { fill(p.Annotations, "profiles.nodegate.dev", 1, 256<<10) },
		"keys almost another's":    func(p *api.PodSandbox) { fill(p.Annotations, "devices.nri.io/odd-", 2000, 60) },
		"keys of CDI":              func(p *api.PodSandbox) { fill(p.Annotations, "cdi.k8s.io/", 2000, 60) },
		"everything of every tool": func(p *api.PodSandbox) {
			for _, family := range policy.ThirdParties() {
				for _, form := range []string{"", "/pod", "/container.c"} {
					fill(p.Annotations, string(family)+form, 20, 16<<10)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTestPlugin(t, t.TempDir())
			p.SetPolicy(t.Context(), parsed(t, "mode = \"audit\"\n"+testPolicy))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range count {
				pod := testPod("")
				pod.Labels = map[string]string{}
				enlarge(pod)
				if _, _, err := p.CreateContainer(t.Context(), pod, testContainer(fmt.Sprint("c", i))); err != nil {
					t.Fatal(err)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / count; each > 32<<10 {
				t.Errorf("%d bytes a container", each)
			}
			runtime.KeepAlive(p)
		})
	}
}

// A pod's author writes text that breaks a line of the agent's log or steers a terminal.
// Each message stays one line without such bytes.
func TestAttackLog(t *testing.T) {
	needRoot(t)
	const evil = "x\ntime=\"now\" level=info msg=\"container adjusted\"\r\x1b[2J\x00\u2028\u202e\xff{\"level\":\"info\"}"
	annotate := func(key, value string) func(*api.PodSandbox, *api.Container) {
		return func(p *api.PodSandbox, _ *api.Container) { p.Annotations = map[string]string{key: value} }
	}
	for name, write := range map[string]func(*api.PodSandbox, *api.Container){
		"the pod's name":        func(p *api.PodSandbox, _ *api.Container) { p.Name = evil },
		"the namespace":         func(p *api.PodSandbox, _ *api.Container) { p.Namespace = evil },
		"the handler":           func(p *api.PodSandbox, _ *api.Container) { p.RuntimeHandler = evil },
		"the container's name":  func(_ *api.PodSandbox, c *api.Container) { c.Name = evil },
		"the container's id":    func(_ *api.PodSandbox, c *api.Container) { c.Id = evil },
		"a request":             annotate("profiles.nodegate.dev", evil),
		"a key":                 annotate("profiles.nodegate.dev/"+evil, "ping"),
		"a key almost right":    annotate("profile.nodegate.dev"+evil, "ping"),
		"a request for another": annotate("devices.nri.io", "- path: "+evil),
		"a label":               func(p *api.PodSandbox, _ *api.Container) { p.Labels = map[string]string{evil: evil} },
		"a mount": func(_ *api.PodSandbox, c *api.Container) {
			c.Mounts = []*api.Mount{{Destination: "/dev/" + evil, Source: evil, Type: "bind"}}
		},
		"a variable": func(_ *api.PodSandbox, c *api.Container) { c.Env = []string{evil} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []logrus.Formatter{&logrus.TextFormatter{FullTimestamp: true}, &logrus.JSONFormatter{}} {
				var out bytes.Buffer
				logger := logrus.New()
				logger.Out, logger.Level, logger.Formatter = &out, logrus.TraceLevel, format
				said := new(count)
				logger.AddHook(said)
				ctx := log.WithLogger(t.Context(), logrus.NewEntry(logger))
				p := newTestPlugin(t, t.TempDir())
				p.Observe(event.Log)
				pod, ctr := testPod("ping, kvm"), testContainer("c1")
				write(pod, ctr)
				_, _, _ = p.CreateContainer(ctx, pod, ctr) // whatever comes of it
				_ = p.StartContainer(ctx, pod, ctr)
				checkLines(t, out.String(), int(*said))
			}
		})
	}
}

// count is a hook that counts what is said.
type count int

func (c *count) Levels() []logrus.Level   { return logrus.AllLevels }
func (c *count) Fire(*logrus.Entry) error { *c++; return nil }

func checkLines(t *testing.T, text string, want int) {
	t.Helper()
	lines := 0
	for line := range strings.Lines(text) {
		lines++
		if json.Valid([]byte(line)) != strings.HasPrefix(text, "{") || !strings.HasPrefix(line, "time=") && !strings.HasPrefix(line, "{") {
			t.Errorf("a line that the agent did not write: %q", line)
		}
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return unicode.IsControl(r) }) {
			t.Errorf("a line that steers a terminal: %q", line)
		}
	}
	if lines != want {
		t.Errorf("%d lines of %d things: %q", lines, want, text)
	}
}
