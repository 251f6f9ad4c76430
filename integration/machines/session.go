// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nodegate/nodegate/integration/machines/wire"
)

// session is a connection with the program guest of one run of the machine.
type session struct {
	conn net.Conn
	http *http.Client
}

// connect waits for the machine's program to answer.
func (m *Machine) connect(ctx context.Context) error {
	conn, err := dialUnix(ctx, filepath.Join(m.dir, portSocket))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := wire.Call(conn); err != nil {
		conn.Close()
		return err
	}
	var once sync.Once
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DisableCompression: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		var c net.Conn
		once.Do(func() { c = conn })
		if c == nil {
			return nil, errors.New("the machine's port is closed")
		}
		return c, nil
	}}
	m.mu.Lock()
	m.session = &session{conn, &http.Client{Transport: transport}}
	m.mu.Unlock()
	return nil
}

func (m *Machine) disconnect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil {
		m.session.conn.Close()
		m.session = nil
	}
}

// post sends a request to the machine's program; the answer's body is to be closed.
func (m *Machine) post(ctx context.Context, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	m.mu.Lock()
	s := m.session
	m.mu.Unlock()
	if s == nil {
		return nil, errors.New("the machine is not connected")
	}
	target := url.URL{Scheme: "http", Host: wire.PortName, Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body) // why, as far as it came
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", response.Status, text)
	}
	return response, nil
}

// stream runs a command and copies what it writes; it returns the exit code.
func (m *Machine) stream(ctx context.Context, c wire.Command, stdin io.Reader, out io.Writer) (int, error) {
	ctx, cancel := m.whileAlive(ctx)
	defer cancel()
	code, err := m.streamAlive(ctx, c, stdin, out)
	return code, m.why(ctx, err)
}

func (m *Machine) streamAlive(ctx context.Context, c wire.Command, stdin io.Reader, out io.Writer) (int, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	r, err := m.post(ctx, wire.RunPath, nil, http.Header{wire.CommandHeader: {string(text)}}, stdin)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	if _, err := io.Copy(out, r.Body); err != nil {
		return 0, err
	}
	exit := r.Trailer.Get(wire.ExitTrailer)
	code, err := strconv.Atoi(exit)
	if err != nil {
		return 0, fmt.Errorf("the program did not run: %s", exit)
	}
	return code, nil
}

// Dial connects with a socket of the machine, e.g. "unix", "/run/containerd/containerd.sock".
func (m *Machine) Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error) {
	in, out := io.Pipe()
	//nolint:bodyclose // the connection that is returned closes it
	r, err := m.post(ctx, wire.DialPath, url.Values{"network": {network}, "address": {address}}, nil, in)
	if err != nil {
		return nil, fmt.Errorf("connecting with %s of the machine: %w", address, err)
	}
	return tunnel{r.Body, out}, nil
}

type tunnel struct {
	io.ReadCloser
	w *io.PipeWriter
}

func (t tunnel) Write(p []byte) (int, error) { return t.w.Write(p) }

func (t tunnel) Close() error { return errors.Join(t.w.Close(), t.ReadCloser.Close()) }
