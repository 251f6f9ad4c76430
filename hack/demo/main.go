// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command demo shows on a real containerd what nodegate changes. It starts a
// private node, runs the same pods without and with the agent, and prints what
// they answered side by side. Nothing of it stays, also when it is interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/integration/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	signal.Ignore(unix.SIGPIPE) // a reader that goes away must not keep it from cleaning up
	err := demo(ctx)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Fprintln(os.Stderr, "demo: interrupted:", err)
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// say shows progress, apart from the table.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "· "+format+"\n", args...)
}

func demo(ctx context.Context) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the built programs: %w", err)
	}
	bin := filepath.Dir(self)
	d := newDevices()
	for _, note := range d.notes {
		say("%s", note)
	}
	// containerd asks the runtime for its features when it starts.
	if err := configureWrapper(bin, "/run/nodegate"); err != nil {
		return err
	}
	start := time.Now()
	say("starting a private containerd %s", node.DefaultContainerd)
	n, err := node.Start(ctx, node.Options{BinDir: bin, Handlers: map[string]string{wrappedHandler: filepath.Join(bin, "demo-runc")}})
	if err != nil {
		return err
	}
	if err := sweepShadows(); err != nil {
		return err
	}
	shadows := shadowPrefix + strconv.Itoa(os.Getpid())
	defer func() {
		say("removing the pods and the node")
		err = errors.Join(err, n.Close(), os.RemoveAll(shadows), os.Remove(wrapperConfig(bin)))
	}()

	st, err := newStick()
	defer func() { err = errors.Join(err, st.remove()) }()
	if err != nil {
		return err
	}
	s := scenario{node: n, devices: d, stick: st, bin: bin}
	if s.system, err = importSystem(ctx, n, bin); err != nil {
		return err
	}
	if err := configureWrapper(bin, s.state()); err != nil {
		return err
	}
	say("running pods without nodegate")
	before, err := s.run(ctx, "without")
	if err != nil {
		return err
	}
	say("starting the agent: nodegate run --config policy.toml")
	agent, err := s.startAgent(ctx, filepath.Join(bin, "nodegate"), shadows)
	if err != nil {
		return err
	}
	say("running the same pods with nodegate")
	after, err := s.run(ctx, "with")
	if err != nil {
		return fmt.Errorf("%w\nthe agent's log:\n%s", err, agent.Log())
	}
	say("asked %d questions in %.1f s", 2*len(s.rows()), time.Since(start).Seconds())
	printTable(os.Stdout, s.rows(), before, after)
	fmt.Printf("\nA pod of namespace \"demo\" asked for a profile that it was not granted. The kubelet shows:\n\n  %s\n", after[refusedKey])
	return nil
}

// shadowPrefix and the demo's process id make its directory of shadow nodes.
const shadowPrefix = "/dev/.udev/nodegate-demo-"

// sweepShadows removes what a demo left that was killed.
func sweepShadows() error {
	dirs, err := filepath.Glob(shadowPrefix + "*")
	if err != nil {
		return fmt.Errorf("looking for what an earlier demo left: %w", err)
	}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.TrimPrefix(dir, shadowPrefix))
		if err != nil || unix.Kill(pid, 0) == nil {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing what an earlier demo left: %w", err)
		}
	}
	return nil
}
