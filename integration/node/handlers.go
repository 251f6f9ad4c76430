// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

type handler struct{ Name, Program string }

// handlers are the runtime handlers of containerd's configuration: "runc", then the
// others by name.
func (o Options) handlers(dir string) ([]handler, error) {
	all := []handler{{"runc", o.Runc}}
	for _, name := range slices.Sorted(maps.Keys(o.Handlers)) {
		all = append(all, handler{name, o.Handlers[name]})
	}
	if !o.CgroupV2 {
		return all, nil
	}
	// containerd's BinaryName takes no arguments, hence a script for each.
	for i, h := range all {
		script := filepath.Join(dir, "handlers", h.Name)
		text := fmt.Sprintf("#!/bin/sh\nexec %q %q \"$@\"\n", o.limitless(), h.Program)
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			return nil, fmt.Errorf("writing the runtime of handler %q: %w", h.Name, err)
		}
		all[i].Program = script
	}
	return all, nil
}
