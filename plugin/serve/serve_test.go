// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/event"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// testServer answers for a plugin that is not registered.
func testServer(t *testing.T, says *Policy) *Server {
	t.Helper()
	c, err := config.Parse("test.toml", []byte("version = 1\n"))
	must(t, err)
	h, err := host.New("/", c.State.ShadowDir)
	must(t, err)
	records, err := record.Open(t.TempDir())
	must(t, err)
	if says == nil {
		says = &Policy{Hash: c.Hash, Mode: "enforce", Files: []string{"/etc/nodegate/config.toml"}, LoadedAt: time.Now()}
	}
	return New(Agent{Plugin: plugin.New(c.Policy, plugin.Node{Host: h, Records: records}), Version: "test", Started: time.Now(),
		Policy: func() Policy { return *says }, AuditErrors: func() (uint64, uint64) { return 1, 2 }, Resources: func() []event.Resource {
			return []event.Resource{{Name: "nodegate.dev/kvm", Units: 110, Healthy: 110, Registered: true}, {Name: "nodegate.dev/serial", Units: 2, Why: "no kubelet"}}
		}})
}

func get(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func ended(r event.Result, namespace string, profiles ...string) *event.Event {
	o := &event.Event{Time: time.Now(), Result: r, Namespace: namespace, Pod: "p", Container: "c", Profiles: profiles, Took: time.Millisecond}
	if r == event.Refused {
		o.Code, o.Text = policy.NotGranted, "nodegate: no"
	}
	return o
}

// What names pods is told over the Unix socket alone.
func TestWhatTCPServes(t *testing.T) {
	s := testServer(t, nil)
	s.recent.event(t.Context(), ended(event.Refused, "secret-namespace"))
	for path, want := range map[string][2]int{
		"/healthz": {200, 200}, "/readyz": {503, 503}, "/metrics": {200, 200},
		"/decisions": {200, 404}, "/status": {200, 404}, "/": {404, 404}, "/debug/pprof/": {404, 404},
	} {
		if code, _ := get(s.handler(true), path); code != want[0] {
			t.Errorf("unix: %s answers %d, want %d", path, code, want[0])
		}
		if code, _ := get(s.handler(false), path); code != want[1] {
			t.Errorf("tcp: %s answers %d, want %d", path, code, want[1])
		}
	}
	w := httptest.NewRecorder()
	s.handler(true).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/status", strings.NewReader("{}")))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", w.Code)
	}
}

// Not ready is said with the reason. An edit that has errors is no such reason.
func TestReadyz(t *testing.T) {
	s := testServer(t, &Policy{Hash: "0123456789ab", Failed: "config.toml:3: is wrong", FailedAt: time.Now()})
	if code, text := get(s.handler(true), "/readyz"); code != 503 || text != "not registered with the runtime: it has not registered yet\n" {
		t.Errorf("%d %q", code, text)
	}
	if _, err := s.agent.Plugin.(*plugin.Plugin).Synchronize(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	code, text := get(s.handler(false), "/readyz")
	if code != 200 || !strings.HasPrefix(text, "ready\nthe policy was not reloaded at ") || !strings.Contains(text, "policy 0123456789ab stays: config.toml:3: is wrong") {
		t.Errorf("%d %q", code, text)
	}
	if _, text := get(s.handler(false), "/metrics"); !strings.Contains(text, "\nnodegate_policy_reload_failed 1\n") || !strings.Contains(text, "\nnodegate_registered 1\n") {
		t.Error(text)
	}
}

// The latest come first, and no more than so many are kept.
func TestDecisionsAreBounded(t *testing.T) {
	s := testServer(t, nil)
	for i := range 3 * keptDecisions {
		o := ended(event.Adjusted, "ci", "fuse")
		if i < 40 {
			o = ended(event.Refused, "ci")
		}
		o.Pod = fmt.Sprint("p", i)
		s.recent.event(t.Context(), o)
	}
	_, text := get(s.handler(true), "/decisions")
	var answer struct{ Decisions []event.Event }
	must(t, json.Unmarshal([]byte(text), &answer))
	if n := len(answer.Decisions); n != keptDecisions || answer.Decisions[0].Pod != "p767" || answer.Decisions[n-1].Pod != "p512" {
		t.Errorf("%d decisions from %s to %s", n, answer.Decisions[0].Pod, answer.Decisions[n-1].Pod)
	}
	// Refusals outlive what came after them.
	last := s.Status().Refusals
	if len(last) != keptRefusals || last[0].Pod != "p39" || last[31].Pod != "p8" {
		t.Errorf("%d refusals, the last %s", len(last), last[0].Pod)
	}
}

// Whoever can make namespaces, or is granted many profiles, makes no more series
// than so many. What a pod's author chooses makes none.
func TestCardinalityIsBounded(t *testing.T) {
	s := testServer(t, nil)
	for i := range 5 * maxLabels {
		ns := fmt.Sprint("ns-", i)
		o := ended(event.Adjusted, ns, fmt.Sprint("profile-", i%7))
		o.Asked, o.Pod, o.Container = fmt.Sprint("asked-", i), fmt.Sprint("pod-", i), fmt.Sprint("c-", i)
		s.metrics.event(t.Context(), o)
		s.metrics.event(t.Context(), ended(event.Refused, ns))
	}
	_, text := get(s.handler(true), "/metrics")
	series := map[string]int{}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "{")
		series[name]++
	}
	if n := series["nodegate_decisions_total"]; n != 2*(maxLabels+1) {
		t.Errorf("%d series of decisions", n)
	}
	if n := series["nodegate_profiles_given_total"]; n != maxLabels+1 {
		t.Errorf("%d series of profiles", n)
	}
	for _, want := range []string{`nodegate_decisions_total{namespace="other",result="adjusted"} 800`, `nodegate_refusals_total{reason="not_granted"} 1000`,
		`nodegate_profiles_given_total{namespace="other",profile="other"} 800`, `nodegate_decision_duration_seconds_count 2000`, `nodegate_audit_errors_total{why="dropped"} 2`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "asked-") || strings.Contains(text, "pod-") || strings.Contains(text, `"c-`) {
		t.Error("a label is in the hand of a pod's author")
	}
}

// A resource that the kubelet is not told of, or that nobody can have, shows.
func TestResourceMetrics(t *testing.T) {
	_, text := get(testServer(t, nil).handler(false), "/metrics")
	for _, want := range []string{`units{resource="nodegate.dev/kvm"} 110`, `units_healthy{resource="nodegate.dev/kvm"} 110`,
		`units_allotted{resource="nodegate.dev/kvm"} 0`, `registered{resource="nodegate.dev/kvm"} 1`,
		`units{resource="nodegate.dev/serial"} 2`, `units_healthy{resource="nodegate.dev/serial"} 0`, `registered{resource="nodegate.dev/serial"} 0`} {
		if !strings.Contains(text, "\nnodegate_resource_"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}

// A pod's author writes text, again and again, to make new series, lines or labels of
// the metrics. There are none.
func TestAttackMetrics(t *testing.T) {
	const evil = "x\"} 1\nnodegate_registered 0\n# \\ \x00\xff\u2028"
	for name, write := range map[string]func(o *event.Event, i int){
		"the pod":                func(o *event.Event, i int) { o.Pod = fmt.Sprint(evil, i) },
		"the container":          func(o *event.Event, i int) { o.Container = fmt.Sprint(evil, i) },
		"the request":            func(o *event.Event, i int) { o.Asked = fmt.Sprint(evil, i) },
		"the sentence":           func(o *event.Event, i int) { o.Text = fmt.Sprint(evil, i) },
		"the handler":            func(o *event.Event, i int) { o.Handler = fmt.Sprint(evil, i) },
		"the ids":                func(o *event.Event, i int) { o.PodID, o.ContainerID = fmt.Sprint(evil, i), fmt.Sprint(i) },
		"a namespace that is so": func(o *event.Event, _ int) { o.Namespace = evil },
		"many namespaces":        func(o *event.Event, i int) { o.Namespace = fmt.Sprint(evil, i) },
	} {
		t.Run(name, func(t *testing.T) {
			s := testServer(t, nil)
			for i := range 3 * maxLabels {
				for _, result := range []event.Result{event.Refused, event.Adjusted, event.Outdated} {
					o := ended(result, "ci", "ping")
					write(o, i)
					s.metrics.event(t.Context(), o)
				}
			}
			code, text := get(s.handler(true), "/metrics")
			series := map[string]bool{}
			for line := range strings.Lines(text) {
				if series[line] {
					t.Errorf("twice: %q", line)
				}
				series[line] = true
			}
			if code != 200 || strings.Count(text, "\nnodegate_registered ") != 1 {
				t.Errorf("status %d, a line of the author's", code)
			}
			if most := 6*(maxLabels+1) + 200; len(series) > most {
				t.Errorf("%d lines, want at most %d", len(series), most)
			}
		})
	}
}

// running serves at an address until the test, or stop, ends it.
func running(t *testing.T, addresses ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		testServer(t, nil).Run(ctx, addresses...)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// answers waits until somebody answers at the socket.
func answers(t *testing.T, path string) {
	t.Helper()
	var err error
	for range 100 {
		if _, err = Ask(t.Context(), "unix://"+path); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody answers: %v", err)
}

// The second of two agents takes the path over, and no moment passes without an
// answer. Whichever ends, the other one is there to ask.
func TestTwoAgentsOneSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run/nodegate.sock")
	stopOld := running(t, "unix://"+path)
	answers(t, path)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	asked := make(chan error, 1)
	go func() {
		for until := time.Now().Add(time.Second); time.Now().Before(until); {
			if _, err := Ask(context.Background(), "unix://"+path); err != nil {
				asked <- err
				return
			}
		}
		asked <- nil
	}()
	stopNew := running(t, "unix://"+path)
	if err := <-asked; err != nil {
		t.Errorf("while it is taken over: %v", err)
	}
	// The new one ends: the old one takes the path again.
	stopNew()
	answers(t, path)
	running(t, "unix://"+path)
	time.Sleep(200 * time.Millisecond)
	stopOld() // and removes nothing that is not its own
	answers(t, path)
}

// A socket that a killed agent left is replaced, and a clean end leaves none.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodegate.sock")
	l, err := net.Listen("unix", path)
	must(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, l.Close())
	stop := running(t, "unix://"+path)
	answers(t, path)
	must(t, os.Remove(path)) // by an eager clean-up
	answers(t, path)
	stop()
	left, err := os.ReadDir(filepath.Dir(path))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is not a socket is not replaced, and a directory of others is not used.
func TestListenUnixRefuses(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	must(t, os.Mkdir(filepath.Join(dir, "open"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "open"), 0o777))
	for name, want := range map[string]string{
		"file": "is not a socket", "link": "is not a socket", "open/s": "others can write to", "file/s": "not a directory",
		strings.Repeat("d", 100) + "/s": "its path may have",
	} {
		s, err := listenUnix(filepath.Join(dir, name))
		if err == nil {
			s.close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestServeTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	running(t, "tcp://"+address) // taken: it tries again
	time.Sleep(100 * time.Millisecond)
	must(t, l.Close())
	var r *http.Response
	for range 100 {
		if r, err = http.Get("http://" + address + "/healthz"); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	must(t, err)
	defer r.Body.Close()
	if text, err := io.ReadAll(r.Body); string(text) != "ok\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// Who asks is told what to do about no answer.
func TestAskRefuses(t *testing.T) {
	dir := t.TempDir()
	other, err := net.Listen("unix", filepath.Join(dir, "other"))
	must(t, err)
	defer other.Close()
	go func() {
		_ = http.Serve(other, http.NotFoundHandler())
	}()
	for address, want := range map[string]string{
		"unix://" + dir + "/none":  "no such file or directory: is the agent running?",
		"unix://" + dir + "/other": "answers 404 Not Found: is a nodegate agent listening there?",
		"tcp://127.0.0.1:1":        "only over a Unix socket",
	} {
		if _, err := Ask(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := Ask(t.Context(), "unix://"+dir+"/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is not os.ErrNotExist", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Who opens connections and says nothing costs the agent no more than so many.
func TestConnectionsAreBounded(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := free.Addr().String()
	must(t, free.Close())
	running(t, "tcp://"+address)
	dial := func() net.Conn {
		t.Helper()
		for try := 0; ; try++ {
			c, err := net.Dial("tcp", address)
			if err == nil {
				t.Cleanup(func() { c.Close() })
				return c
			}
			if try == 100 {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	silent := make([]net.Conn, maxConnections)
	for i := range silent {
		silent[i] = dial()
	}
	late := dial()
	_, err = io.WriteString(late, "GET /healthz HTTP/1.0\r\n\r\n")
	must(t, err)
	must(t, late.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	if n, err := late.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("served beside %d others: %d bytes, %v", maxConnections, n, err)
	}
	must(t, silent[0].Close())
	must(t, late.SetReadDeadline(time.Now().Add(10*time.Second)))
	if text, err := io.ReadAll(late); !strings.HasSuffix(string(text), "ok\n") || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// One address that is kept busy does not keep another from answering: the chart's agents
// are probed at one of their own.
func TestAddressesDoNotShareConnections(t *testing.T) {
	var addresses []string
	for range 2 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		addresses = append(addresses, "tcp://"+free.Addr().String())
		must(t, free.Close())
	}
	running(t, addresses...)
	for range 2 * maxConnections {
		for try := 0; ; try++ {
			c, err := net.Dial("tcp", strings.TrimPrefix(addresses[0], "tcp://"))
			if err == nil {
				t.Cleanup(func() { c.Close() })
				break
			}
			if try == 100 {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	busy, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if r, err := AskReady(busy, addresses[0]); err == nil {
		t.Errorf("the address is not kept busy, so that this proves nothing: %v", r)
	}
	if _, err := AskReady(t.Context(), addresses[1]); err != nil {
		t.Error(err)
	}
}
