// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What is read of an answer at most, in bytes.
const (
	maxStatus    = 64 << 20
	maxReadiness = 4096
)

// askLimit bounds a question: an agent that takes longer hangs.
const askLimit = 10 * time.Second

// Ask asks the agent at "unix:///path" for its status.
func Ask(ctx context.Context, address string) (Status, error) {
	var s Status
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok {
		return s, fmt.Errorf("%q: an agent tells its status only over a Unix socket, since it names pods: let server.listen be unix:///PATH, or ask tcp for /readyz and /metrics", address)
	}
	r, err := ask(ctx, address, "/status")
	if err != nil {
		return s, noAnswer(path, err)
	}
	defer func() { _ = r.Body.Close() }() // read only
	if r.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s answers %s: is a nodegate agent listening there?", path, r.Status)
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxStatus)).Decode(&s); err != nil {
		return s, fmt.Errorf("%s does not answer as a nodegate agent: %w", path, err)
	}
	return s, nil
}

// Readiness is an agent's answer at /readyz.
type Readiness struct {
	Ready bool
	// Says is why it is not ready, or what there is to say all the same, in one
	// line; "" for nothing.
	Says string
}

// AskReady asks the agent at "unix:///path" or "tcp://host:port" whether it is ready.
func AskReady(ctx context.Context, address string) (Readiness, error) {
	r, err := ask(ctx, address, "/readyz")
	if err != nil {
		_, place, _ := strings.Cut(address, "://")
		return Readiness{}, noAnswer(place, err)
	}
	defer func() { _ = r.Body.Close() }() // read only
	text, err := io.ReadAll(io.LimitReader(r.Body, maxReadiness))
	if err != nil {
		return Readiness{}, fmt.Errorf("reading the agent's answer at %s: %w", address, err)
	}
	a := Readiness{Ready: r.StatusCode == http.StatusOK, Says: strings.Join(strings.Fields(string(text)), " ")}
	if a.Ready {
		a.Says = strings.TrimSpace(strings.TrimPrefix(a.Says, "ready"))
	}
	return a, nil
}

// ask asks an agent over a connection of its own.
func ask(ctx context.Context, address, path string) (*http.Response, error) {
	network, place, _ := strings.Cut(address, "://")
	client := http.Client{Timeout: askLimit, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, place)
		}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nodegate"+path, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

// noAnswer says what to look at.
func noAnswer(path string, err error) error {
	why := "is the agent running? (nodegate run)"
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
	case errors.Is(err, fs.ErrPermission):
		why = "run this as root"
	case errors.Is(err, context.DeadlineExceeded):
		why = "the agent hangs, or is stopped"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("no answer at %s, %w: %s", path, err, why)
}
