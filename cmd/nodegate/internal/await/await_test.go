// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server stands for the API server: it answers as that does, over TLS, to who has the
// token.
type server struct {
	*testing.T
	mu      sync.Mutex
	token   string
	answers map[string][]string // by path; the last one stays. Those that begin with a number are errors
	account string
}

func newServer(t *testing.T) *server {
	s := &server{T: t, token: "first", answers: map[string][]string{}, account: t.TempDir()}
	h := httptest.NewTLSServer(s)
	t.Cleanup(h.Close)
	host, port, err := net.SplitHostPort(h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	s.write("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})))
	s.write("token", "first\n")
	s.write("namespace", "gate")
	return s
}

func (s *server) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.account, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(code int, message string) {
		w.WriteHeader(code)
		text, _ := json.Marshal(message)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%s,"code":%d}`, text, code)
	}
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		fail(http.StatusUnauthorized, "Unauthorized")
		return
	}
	list := s.answers[r.URL.Path]
	if len(list) == 0 {
		fail(http.StatusNotFound, `daemonsets.apps "x" not found`)
		return
	}
	if len(list) > 1 {
		s.answers[r.URL.Path] = list[1:]
	}
	var code int
	if n, _ := fmt.Sscanf(list[0], "%d ", &code); n == 1 {
		fail(code, list[0][4:])
		return
	}
	_, _ = fmt.Fprint(w, list[0])
}

func (s *server) await(timeout time.Duration) (string, error) {
	s.Helper()
	c, err := InCluster(s.account)
	if err != nil {
		s.Fatal(err)
	}
	var out strings.Builder
	err = c.DaemonSet(s.Context(), &out, c.Namespace, "undo", timeout, time.Millisecond)
	return out.String(), err
}

const undo = "/apis/apps/v1/namespaces/gate/daemonsets/undo"

func set(generation, observed, desired, updated, ready int) string {
	return fmt.Sprintf(`{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"undo","namespace":"gate","uid":"u-1","generation":%d},
"status":{"currentNumberScheduled":%d,"numberMisscheduled":0,"desiredNumberScheduled":%d,"numberReady":%d,"observedGeneration":%d,"updatedNumberScheduled":%d}}`,
		generation, desired, desired, ready, observed, updated)
}

// It waits through a server that starts, a DaemonSet that nobody has seen yet, old pods
// that are ready, and a token that changes.
func TestDaemonSetBecomesReady(t *testing.T) {
	s := newServer(t)
	s.answers[undo] = []string{
		"503 the server is starting", "404 daemonsets.apps \"undo\" not found", "403 forbidden: User cannot get",
		`{"metadata":{"uid":"u-1","generation":1},"status":{"numberReady":0}}`,
		set(2, 1, 2, 2, 2), set(2, 2, 3, 1, 3), set(2, 2, 3, 3, 2), set(2, 2, 3, 3, 3),
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		s.write("token", "second")
		s.mu.Lock()
		defer s.mu.Unlock()
		s.token = "second"
	}()
	out, err := s.await(time.Minute)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"503 Service Unavailable: \"the server is starting\"\n", "has not seen it yet\n", "2 of 3 pods are ready\n", "3 of 3 pods are ready\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s\nhas no %q", out, want)
		}
	}
	s.answers[undo] = []string{set(1, 1, 0, 0, 0)} // no node is meant
	if out, err := s.await(time.Minute); err != nil || out != "0 of 0 pods are ready\n" {
		t.Error(out, err)
	}
}

// When the time is over it says how far it came, whatever the server says.
func TestDaemonSetIsLate(t *testing.T) {
	s := newServer(t)
	s.answers[undo] = []string{set(1, 1, 4, 4, 1)}
	const late = "after 1s not all pods of DaemonSet gate/undo are ready: "
	if _, err := s.await(time.Second); err == nil || err.Error() != late+"1 of 4 pods are ready: kubectl -n gate describe pods says why" {
		t.Error(err)
	}
	s = newServer(t) // the other may still answer a request that was given up
	s.answers[undo] = []string{"403 daemonsets.apps \"undo\" is \u001b[2Jforbidden"}
	if _, err := s.await(time.Second); err == nil || !strings.Contains(err.Error(), late+`GET `+undo+`: 403 Forbidden: "daemonsets.apps \"undo\" is \x1b[2Jforbidden"`) {
		t.Error(err)
	}
}

func TestEnded(t *testing.T) {
	s := newServer(t)
	s.answers[undo] = []string{set(1, 1, 1, 1, 0)}
	c, err := InCluster(s.account)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.DaemonSet(ctx, t.Output(), "gate", "undo", time.Minute, time.Millisecond); err == nil || err.Error() != "was ended before all pods were ready" {
		t.Error(err)
	}
}

// Another server than the cluster's gets no token.
func TestAnotherCertificate(t *testing.T) {
	s := newServer(t)
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was asked") }))
	defer other.Close()
	host, port, _ := net.SplitHostPort(other.Listener.Addr().String())
	// All servers of httptest have one certificate.
	s.write("ca.crt", unrelated(t))
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	if _, err := s.await(time.Second); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Error(err)
	}
}

// unrelated is an authority that has signed nothing here.
func unrelated(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}

func TestNotInAPod(t *testing.T) {
	s := newServer(t)
	s.write("ca.crt", "")
	if _, err := InCluster(s.account); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Error(err)
	}
	if _, err := InCluster(t.TempDir()); err == nil || !strings.Contains(err.Error(), "automountServiceAccountToken") {
		t.Error(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if _, err := InCluster(s.account); err == nil || !strings.Contains(err.Error(), "run this in a pod") {
		t.Error(err)
	}
}
