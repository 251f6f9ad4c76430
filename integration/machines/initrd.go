// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// bootModules are what the kernel needs to find its disk and the port of package wire.
// What a kernel has built in is passed over.
var bootModules = []string{"virtio_pci", "virtio_blk", "virtio_console", "ext4", "crc32c_generic", "crc32c_cryptoapi"}

// writeInitrd writes the initial RAM disk of a root's kernel: the program guest and the
// few modules. Debian's own is 17 MB and takes seconds to unpack under emulation.
func writeInitrd(ctx context.Context, path, root, kernel, guest string) error {
	modules, err := moduleFiles(filepath.Join(root, "usr/lib/modules", kernel))
	if err != nil {
		return err
	}
	var archive cpio
	program, err := os.ReadFile(guest)
	if err != nil {
		return fmt.Errorf("reading the machine's program: %w", err)
	}
	archive.add("init", 0o100755, program)
	archive.add("modules", 0o040755, nil)
	var list []string
	for _, file := range modules {
		content, err := exec.CommandContext(ctx, "xz", "--decompress", "--stdout", "--force", file).Output()
		if err != nil {
			return fmt.Errorf("unpacking module %s: %w", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".xz")
		list = append(list, name)
		archive.add("modules/"+name, 0o100644, content)
	}
	archive.add("modules/list", 0o100644, []byte(strings.Join(list, "\n")))
	archive.add("TRAILER!!!", 0, nil)
	return os.WriteFile(path, archive.Bytes(), 0o644)
}

// moduleFiles are the files of bootModules and of what they depend on, in the order that
// they are to be loaded in.
func moduleFiles(dir string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's modules: %w", err)
	}
	files, needs := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(text)) {
		file, deps, _ := strings.Cut(strings.TrimSpace(line), ":")
		files[moduleName(file)] = file
		needs[moduleName(file)] = strings.Fields(deps)
	}
	var all []string
	for _, name := range bootModules {
		// modules.dep names what is to be loaded first last.
		deps := slices.Clone(needs[name])
		slices.Reverse(deps)
		if file, has := files[name]; has {
			deps = append(deps, file)
		}
		for _, file := range deps {
			if full := filepath.Join(dir, file); !slices.Contains(all, full) {
				all = append(all, full)
			}
		}
	}
	return all, nil
}

func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// cpio is an archive in the only format that the kernel unpacks.
type cpio struct {
	bytes.Buffer
	inode int
}

func (c *cpio) add(name string, mode uint32, content []byte) {
	c.inode++
	w := bufio.NewWriter(&c.Buffer)
	fmt.Fprintf(w, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", c.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	_, _ = io.WriteString(w, name+"\x00")
	pad(w, 110+len(name)+1)
	_, _ = w.Write(content)
	pad(w, len(content))
	w.Flush()
}

// pad fills up to the next four bytes.
func pad(w *bufio.Writer, n int) {
	for ; n%4 != 0; n++ {
		_ = w.WriteByte(0)
	}
}
