// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command k3s stands in for k3s in the tests: as much of it as decides how its containerd
// is configured, around a real containerd. Like the real one it is many programs in one,
// which goes by the name that it is called by:
//
//	containerd         containerd, whose title in /proc is overwritten
//	k3s server         writes containerd's configuration anew, and runs containerd
//	k3s generate       only writes the configuration
//	anything else      prints "k3s version …"
//
// Its release is the name of the folder that it lies in: data/v1.36.4/bin/k3s. Releases
// before v1.36 import no drop-ins.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	"github.com/containerd/containerd/v2/cmd/containerd/command"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
}

func run() error {
	if filepath.Base(os.Args[0]) == "containerd" {
		args := make([]string, len(os.Args))
		for i, arg := range os.Args {
			args[i] = strings.Clone(arg) // os.Args is the memory that the title is in
		}
		if err := overwriteTitle("containerd "); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return command.App().Run(context.Background(), args)
	}
	program, err := filepath.EvalSymlinks(os.Args[0]) // a test's root may have no /proc
	if err != nil {
		return err
	}
	bin := filepath.Dir(program)
	release := filepath.Base(filepath.Dir(bin))
	switch {
	case len(os.Args) > 1 && os.Args[1] == "server":
		return serve(bin, release)
	case len(os.Args) > 1 && os.Args[1] == "generate":
		return generate(bin, release)
	}
	fmt.Printf("k3s version %s+k3s1 (0123abcd)\ngo version go1.26.6\n", release)
	return nil
}

// overwriteTitle puts a title in the place of the command line, and NULs after it.
func overwriteTitle(title string) error {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest) // from the third on; see proc_pid_stat(5)
	var start, end int64
	if _, err := fmt.Sscan(fields[45]+" "+fields[46], &start, &end); err != nil {
		return fmt.Errorf("where the command line is: %w", err)
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	text := make([]byte, end-start)
	copy(text, title)
	_, err = memory.WriteAt(text, start)
	return err
}

// serve runs containerd until it is told to end. Pods go on.
func serve(bin, release string) error {
	if err := generate(bin, release); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "containerd"), "-c", configFile)
	cmd.Args[0] = "containerd"
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("containerd ended: %w", err)
	}
	return nil
}
