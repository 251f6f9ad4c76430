// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command machine makes what the machines of the tests start from, and runs one by hand:
//
//	machine build [SYSTEM...]           all systems, or these
//	machine run SYSTEM COMMAND...       a command on a machine that ends with it
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/nodegate/nodegate/integration/machines"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "machine:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "build":
		return build(ctx, args[1:])
	case len(args) > 2 && args[0] == "run":
		return command(ctx, args[1], args[2:])
	}
	return errors.New("write machine build [SYSTEM...], or machine run SYSTEM COMMAND [ARGUMENT...]")
}

func build(ctx context.Context, names []string) error {
	systems := machines.Systems()
	if len(names) > 0 {
		systems = nil
	}
	for _, name := range names {
		s, err := machines.SystemNamed(name)
		if err != nil {
			return err
		}
		systems = append(systems, s)
	}
	for _, s := range systems {
		if err := machines.Build(ctx, s, os.Stderr); err != nil {
			return err
		}
	}
	return nil
}

func command(ctx context.Context, name string, args []string) (err error) {
	s, err := machines.SystemNamed(name)
	if err != nil {
		return err
	}
	m, err := machines.Start(ctx, machines.Options{System: s, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	out, err := m.Run(ctx, "sh", "-c", strings.Join(args, " "))
	fmt.Fprint(os.Stdout, out)
	return err
}
