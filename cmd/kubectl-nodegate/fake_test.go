// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// fakeAPI is an API server with many nodes, whose agents are functions. It stands for the
// number of nodes alone: what real agents answer is tested on a real cluster.
type fakeAPI struct {
	*httptest.Server
	nodes corev1.NodeList
	pods  corev1.PodList // of the agents and of others
	// answer is what the agent of a node prints for a command, and its exit code.
	answer func(node string, args []string, stdin io.Reader) (out string, code int)
	deny   string // the resource that nobody may use: "nodes", "pods", "pods/exec"

	done chan struct{}
}

const isReady = `{"version":"0.1.0","ready":true,"policy":{"hash":"aaaaaaaaaaaa","mode":"enforce","loadedAt":"2026-03-02T09:14:07Z"}}`

// serve starts an API server with nodes "node-0000" and so on, each with an agent that is
// ready.
func serve(t *testing.T, nodes int) *fakeAPI {
	t.Helper()
	f := &fakeAPI{done: make(chan struct{}), answer: func(string, []string, io.Reader) (string, int) { return isReady, 0 }}
	for i := range nodes {
		name := fmt.Sprintf("node-%04d", i)
		f.nodes.Items = append(f.nodes.Items, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name},
			Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{ContainerRuntimeVersion: "containerd://2.4.2"}}})
		f.addPod(node(name), "nodegate", "agent-"+name, map[string]string{"app.kubernetes.io/name": "nodegate", "app.kubernetes.io/component": "agent"})
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.handle))
	t.Cleanup(func() {
		close(f.done) // agents that hang
		f.Close()
	})
	return f
}

type node string

func (f *fakeAPI) addPod(at node, namespace, name string, labels map[string]string) {
	f.pods.Items = append(f.pods.Items, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: corev1.PodSpec{NodeName: string(at), Containers: []corev1.Container{{Name: "app"}}}, Status: corev1.PodStatus{Phase: corev1.PodRunning}})
}

func (f *fakeAPI) handle(w http.ResponseWriter, r *http.Request) {
	at := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	resource := at[0]
	switch {
	case len(at) == 5:
		resource = "pods/exec"
	case len(at) == 3:
		resource = "pods"
	}
	var list any
	switch resource {
	case f.deny:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		list = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: 403,
			Message: resource + ` is forbidden: User "eve" cannot do that`}
	case "pods/exec":
		f.exec(w, r, strings.TrimPrefix(at[3], "agent-"))
		return
	case "nodes":
		list = f.nodes
	case "pods":
		var some corev1.PodList
		for _, p := range f.pods.Items {
			agents := r.URL.Query().Get("labelSelector") != ""
			if (len(at) == 1 || at[1] == p.Namespace) && (!agents || p.Labels != nil) {
				some.Items = append(some.Items, p)
			}
		}
		list = some
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// Channels of the protocol v5.channel.k8s.io.
const (
	stdinChannel, stdoutChannel, stderrChannel, statusChannel = 0, 1, 2, 3
	closeSignal                                               = 255
)

func (f *fakeAPI) exec(w http.ResponseWriter, r *http.Request, node string) {
	c, err := (&websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	var stdin bytes.Buffer
	for r.URL.Query().Get("stdin") == "true" {
		_, m, err := c.ReadMessage()
		if err != nil || m[0] == closeSignal && m[1] == stdinChannel {
			break
		}
		stdin.Write(m[1:])
	}
	out, code := f.answer(node, r.URL.Query()["command"], &stdin)
	status := metav1.Status{Status: metav1.StatusSuccess}
	if code != 0 {
		_ = c.WriteMessage(websocket.BinaryMessage, append([]byte{stderrChannel}, "nodegate: something is wrong\n"...))
		status = metav1.Status{Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Message: "command terminated with non-zero exit code",
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: "ExitCode", Message: fmt.Sprint(code)}}}}
	}
	for len(out) > 0 {
		n := min(len(out), 32<<10)
		if err := c.WriteMessage(websocket.BinaryMessage, append([]byte{stdoutChannel}, out[:n]...)); err != nil {
			return
		}
		out = out[n:]
	}
	text, _ := json.Marshal(status)
	_ = c.WriteMessage(websocket.BinaryMessage, append([]byte{statusChannel}, text...))
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Minute))
	_, _, _ = c.ReadMessage() // until the client has closed as well
}

// hang is an agent that does not answer within the test.
func (f *fakeAPI) hang() (string, int) {
	<-f.done
	return "", 1
}

// run runs a command line against the API server.
func (f *fakeAPI) run(t *testing.T, args ...string) (out, said string, err error) {
	t.Helper()
	return runAll(t, append(args, "--server", f.URL)...)
}

func runAll(t *testing.T, args ...string) (out, said string, err error) {
	t.Helper()
	t.Setenv("KUBECONFIG", "/dev/null")
	var stdout, stderr bytes.Buffer
	cmd := rootCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr})
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}
