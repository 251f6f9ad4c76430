// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/containerd"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/doctor"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/install"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin"
	"github.com/nodegate/nodegate/plugin/host"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/runtimes"
)

// maxConfig bounds a file of the runtime's configuration.
const maxConfig = 1 << 20

// handlersOf has the agent find out whether the runtime's handlers run nodegate-runc. It
// reads what the runtime reads and does not ask the runtime itself: a program that has the
// runtime's socket has the whole node.
func handlersOf(c *config.Config, h *host.Host) func(r *runtimes.Runtime, pid int) plugin.Handlers {
	return func(r *runtimes.Runtime, pid int) plugin.Handlers {
		programs, err := install.Programs(install.Node{Root: c.State.HostRoot, Config: startedWith(pid),
			CRIO: r.Name == runtimes.CRIO, Version: r.Version, Read: func(name string) ([]byte, error) { return h.ReadFile(name, maxConfig) }})
		out := plugin.Handlers{Wrapped: map[string]policy.Known[bool]{}}
		if errors.Is(err, install.ErrUnseen) {
			return noted(c)
		}
		if err != nil {
			out.Unknown = err.Error()
		}
		for name, program := range programs {
			out.Wrapped[name] = doctor.Wraps(h, program)
		}
		return out
	}
}

// noted is what the installer has left for an agent that runs as a pod.
func noted(c *config.Config) plugin.Handlers {
	out := plugin.Handlers{Wrapped: map[string]policy.Known[bool]{}}
	var since time.Time
	if info, err := os.Stat(c.NRI.Socket); err == nil { // made anew as the runtime starts
		since = info.ModTime()
	}
	note, err := install.Noted(c.State.Dir, since)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		out.Unknown = fmt.Sprintf("%s, and nodegate install has left no note in %s", install.ErrUnseen, c.State.Dir)
	case err != nil:
		out.Unknown = err.Error()
	default:
		for name, is := range note.Wrapped {
			out.Wrapped[name] = policy.Is(is)
		}
	}
	return out
}

// startedWith is the file that a runtime was told to read; "" for the usual one, or if
// that is not seen.
func startedWith(pid int) string {
	if pid == 0 {
		return ""
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	line := containerd.ParseCommandLine(text)
	file := line.Option("config", "c")
	if file != "" && !path.IsAbs(file) {
		return "" // by a directory that is not known
	}
	return file
}
