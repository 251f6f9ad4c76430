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

// maxStatus bounds what is read of an answer, in bytes.
const maxStatus = 64 << 20

// Ask asks the agent at "unix:///path" for its status.
func Ask(ctx context.Context, address string) (Status, error) {
	var s Status
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok {
		return s, fmt.Errorf("%q: an agent tells its status only over a Unix socket, since it names pods: let server.listen be unix:///PATH, or ask tcp for /readyz and /metrics", address)
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nodegate/status", nil)
	if err != nil {
		return s, err
	}
	r, err := client.Do(req)
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
