// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command kubectl-nodegate is a plugin of kubectl: it shows the agents of all nodes at
// once, and asks them what a policy does to the pods of the cluster. It runs with its
// user's own rights and decides nothing: the agents' program does, each on its node.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/klog/v2"
)

// version is set at build time.
var version = "devel"

// Exit codes, which are those of nodegate.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitChanges = 3 // of diff: containers differ, and none is newly refused
	exitRefuses = 4 // of diff: containers are newly refused
)

// codedError is an error with its own exit code.
type codedError struct {
	code int
	text string
}

func (e *codedError) Error() string { return e.text }

// quiet keeps the client library's own log from the output: what matters of it comes back
// as errors.
func quiet() { klog.SetLogger(logr.Discard()) }

func main() {
	quiet()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := rootCommand(genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
	err := root.ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	_ = printers.WriteEscaped(os.Stderr, fmt.Sprintf("nodegate: %s\n", err)) // which may be in an agent's words
	code := exitFailed
	if coded := (*codedError)(nil); errors.As(err, &coded) {
		code = coded.code
	}
	os.Exit(code)
}
