// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// What is read of an answer at most, in bytes.
const (
	maxAnswer = 16 << 20
	maxSaid   = 4 << 10
)

// Execer runs commands in agents' containers.
type Execer struct {
	config *rest.Config
	core   coreclient.CoreV1Interface
}

// NewExecer makes an Execer.
func NewExecer(config *rest.Config, core coreclient.CoreV1Interface) *Execer {
	return &Execer{config, core}
}

// ExitError is a command that ran and failed.
type ExitError struct {
	Code int
	Said string // on stderr
}

func (e *ExitError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("ended with exit code %d", e.Code)
	}
	return strings.TrimPrefix(e.Said, "nodegate: ")
}

// Run runs nodegate with arguments in the agent's container of a pod and returns what it
// prints. With an *ExitError too, as some commands tell by their exit code what they found.
func (x *Execer) Run(ctx context.Context, agent *corev1.Pod, stdin io.Reader, args ...string) ([]byte, error) {
	if agent.Status.Phase != corev1.PodRunning {
		return nil, fmt.Errorf("the agent's pod %s is %s", agent.Name, strings.ToLower(string(agent.Status.Phase)))
	}
	url := x.core.RESTClient().Post().Resource("pods").Namespace(agent.Namespace).Name(agent.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: Container, Command: append([]string{"nodegate"}, args...),
			Stdin: stdin != nil, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	// As kubectl: API servers before 1.31, and some proxies, know no WebSocket here.
	socket, err := remotecommand.NewWebSocketExecutor(x.config, "GET", url.String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(x.config, "POST", url)
	if err != nil {
		return nil, err
	}
	both, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, said := &limited{most: maxAnswer, full: cancel}, &limited{most: maxSaid}
	err = both.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: stdin, Stdout: out, Stderr: said})
	var code exec.CodeExitError
	switch {
	case out.over:
		return nil, fmt.Errorf("answers with more than %d MiB", maxAnswer>>20)
	case errors.As(err, &code):
		err = &ExitError{code.Code, strings.TrimSpace(said.kept.String())}
	case err != nil:
		err = Denied(err, Exec(agent.Namespace))
	}
	return out.kept.Bytes(), err
}

// limited keeps the beginning of what is written.
type limited struct {
	kept bytes.Buffer // not embedded: it would be read into past its limit
	most int
	over bool
	full func() // called once there is more; nil to pass over that
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - l.kept.Len()
	if len(p) <= room {
		return l.kept.Write(p)
	}
	_, _ = l.kept.Write(p[:room]) // to memory
	if l.full != nil && !l.over {
		l.over = true
		l.full()
	}
	return len(p), nil
}
