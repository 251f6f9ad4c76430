// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Find returns the first of the usual endpoints that there is, as seen here or
// below root, where a container sees the node's files. The error wraps
// fs.ErrNotExist, or fs.ErrPermission where it cannot be told.
func Find(root string) (string, error) {
	var names []string
	for _, e := range endpoints {
		name := strings.TrimPrefix(e, "unix://")
		names = append(names, name)
		for _, file := range []string{name, path.Join(root, name)} {
			if _, err := os.Stat(file); err == nil || os.IsPermission(err) {
				return "unix://" + file, err
			}
		}
	}
	return "", fmt.Errorf("there is no socket at %s: %w", strings.Join(names, ", "), fs.ErrNotExist)
}

// Status is what the runtime says of its runtime handlers.
type Status struct {
	UserNamespaces []string           // those that it runs pods with a user namespace by
	Default        string             // the handler of pods that name none
	Handlers       map[string]Handler // nil if it does not tell
}

// Handler is a runtime handler.
type Handler struct {
	BinaryName    string // "" for runc
	SystemdCgroup bool
}

// Status asks for the runtime handlers.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	r, err := c.runtime.Status(ctx, &runtimeapi.StatusRequest{Verbose: true})
	if err != nil {
		return s, answered("its status", err)
	}
	for _, h := range r.GetRuntimeHandlers() {
		if h.GetFeatures().GetUserNamespaces() {
			s.UserNamespaces = append(s.UserNamespaces, h.GetName())
		}
	}
	var info struct {
		Containerd struct {
			Default  string `json:"defaultRuntimeName"`
			Runtimes map[string]struct {
				Options Handler `json:"options"`
			} `json:"runtimes"`
		} `json:"containerd"`
		CRIO struct {
			DefaultRuntime    string
			CgroupManagerName string
			Runtimes          map[string]struct{ RuntimePath string }
		} `json:"crio"`
	}
	// A runtime whose answer is of another kind tells nothing here.
	if err := json.Unmarshal([]byte(r.GetInfo()["config"]), &info); err != nil || len(info.Containerd.Runtimes)+len(info.CRIO.Runtimes) == 0 {
		return s, nil
	}
	s.Default, s.Handlers = info.Containerd.Default+info.CRIO.DefaultRuntime, map[string]Handler{}
	for name, h := range info.Containerd.Runtimes {
		s.Handlers[name] = h.Options
	}
	for name, h := range info.CRIO.Runtimes {
		s.Handlers[name] = Handler{BinaryName: h.RuntimePath, SystemdCgroup: info.CRIO.CgroupManagerName == "systemd"}
	}
	return s, nil
}
