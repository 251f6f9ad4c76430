// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
	"github.com/nodegate/nodegate/plugin/serve"
)

// Explained is what "nodegate explain --id … -o json" says of one container.
type Explained struct {
	Result   string
	Profiles []string
	Refusal  struct{ Text string }
	Changes  []struct{ Field, Change, By, Has string }
	Live     struct {
		State           string
		Profiles, Older []string
	}
}

// Missing are the changes that the container does not have.
func (e *Explained) Missing() (out []string) {
	for _, c := range e.Changes {
		if c.Has != "given" {
			out = append(out, c.Field+" "+c.Change)
		}
	}
	return out
}

// Explain runs the command on a container of the node.
func (g *Gate) Explain(t *testing.T, id string, flags ...string) (string, error) {
	t.Helper()
	args := append([]string{"explain", "--config", g.Config, "--runtime-endpoint", "unix://" + g.Node.CRISocket(), "--id", id}, flags...)
	cmd := g.Node.Command(g.Binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.String(), nil
}

// ExplainJSON is Explain for one container, as JSON.
func (g *Gate) ExplainJSON(t *testing.T, c *node.Container) Explained {
	t.Helper()
	text, err := g.Explain(t, c.ID, "-o", "json")
	Must(t, err)
	var r struct {
		Pods []struct{ Containers []Explained }
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil || len(r.Pods) != 1 || len(r.Pods[0].Containers) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return r.Pods[0].Containers[0]
}

// Launch makes the agent one of the plugins that containerd starts, and restarts that.
func (g *Gate) Launch(t *testing.T, policy string) (program string) {
	t.Helper()
	dir := filepath.Dir(g.Node.NRISocket())
	program = filepath.Join(dir, "plugins", "90-nodegate")
	from, err := os.Open(g.Binary)
	Must(t, err)
	defer from.Close()
	to, err := os.OpenFile(program, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	Must(t, err)
	_, err = io.Copy(to, from)
	Must(t, err, to.Close())
	head := fmt.Sprintf("version = 1\nstate = { dir = %q, shadow_dir = %q }\nserver.listen = %q\n", g.State, g.Shadows, "unix://"+filepath.Join(dir, "s.sock"))
	Must(t, os.WriteFile(filepath.Join(dir, "conf.d", "90-nodegate.conf"), []byte(head+policy), 0o600))
	Must(t, g.Node.RestartContainerd(t.Context()))
	return program
}

// Status runs nodegate status as an administrator would.
func (g *Gate) Status(t *testing.T, args ...string) (s serve.Status, text string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), g.Binary, append([]string{"status", "-c", g.Config}, args...)...)
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal(out, &s) // not of a table
	return s, string(out), cmd.ProcessState.ExitCode()
}

// Ask asks the agent by its Unix socket.
func (g *Gate) Ask(t *testing.T, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(filepath.Dir(g.Config), "s.sock"))
	}}}
	r, err := client.Get("http://nodegate" + path)
	Must(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	Must(t, err)
	return string(text)
}
