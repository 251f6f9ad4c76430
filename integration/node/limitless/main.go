// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command limitless stands before an OCI runtime on a test node with cgroup v2 whose
// host keeps the controllers in cgroup v1: it takes the limits that need a controller
// out of config.json and executes the runtime.
//
//	limitless RUNTIME ARGS...
//
// The device filter needs no controller and stays. What nodegate changes is none of
// these limits, so the tests prove what they prove on a real node.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "limitless:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("no runtime")
	}
	// containerd calls: runc --root … --log … create --bundle DIR … ID
	if i := slices.Index(args, "--bundle"); i >= 0 && i+1 < len(args) && slices.Contains(args[:i], "create") {
		if err := strip(filepath.Join(args[i+1], "config.json")); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("finding the runtime: %w", err)
	}
	return fmt.Errorf("executing %q: %w", program, syscall.Exec(program, args, os.Environ()))
}

// strip rewrites the file. All but the members on the way to the limits stays as it is
// byte for byte: a decoded number could lose digits.
func strip(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the spec: %w", err)
	}
	stripped, err := edit(content, []string{"linux", "resources"}, func(resources map[string]json.RawMessage) {
		for _, limit := range []string{"cpu", "memory", "pids", "hugepageLimits", "blockIO", "unified"} {
			delete(resources, limit)
		}
	})
	if err != nil {
		return fmt.Errorf("editing the spec %q: %w", path, err)
	}
	if err := os.WriteFile(path, stripped, 0o600); err != nil {
		return fmt.Errorf("writing the spec: %w", err)
	}
	return nil
}

func edit(object []byte, path []string, change func(map[string]json.RawMessage)) ([]byte, error) {
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	if len(path) == 0 {
		change(members)
		return json.Marshal(members)
	}
	inner, ok := members[path[0]]
	if !ok {
		return object, nil
	}
	edited, err := edit(inner, path[1:], change)
	if err != nil {
		return nil, err
	}
	members[path[0]] = edited
	return json.Marshal(members)
}
