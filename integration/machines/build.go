// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/nodegate/nodegate/integration/node"
)

// Build makes what machines of a system start from, where it is not there: the root, the
// image and the saved state. It says in the log what it does.
func Build(ctx context.Context, s System, log io.Writer) error {
	b, err := newBuilder(s, log)
	if err != nil {
		return err
	}
	i, err := b.image(ctx)
	if err != nil {
		return err
	}
	_, err = b.state(ctx, i)
	return err
}

func newBuilder(s System, log io.Writer) (*builder, error) {
	bin, err := node.BinDir()
	if err != nil {
		return nil, err
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return nil, fmt.Errorf("finding the directory of built programs: %w", err)
	}
	b := &builder{system: s, bin: bin, cache: cache(filepath.Join(bin, "machines")), log: log}
	return b, b.check()
}

// check says what this machine or tree lacks to run another one, in one sentence.
func (b *builder) check() error {
	if os.Geteuid() != 0 {
		return errors.New("the root of a machine is made by root only")
	}
	for _, program := range []string{b.system.emulator(), "mmdebstrap", "mke2fs", "qemu-img", "zstd", "xz"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("there is no %s: run make deps", program)
		}
	}
	for from := range b.programs() {
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is not built: run make runtimes", from)
		}
	}
	return nil
}
