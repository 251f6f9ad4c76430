// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes of every command, as the help says.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitChanges = 3 // of diff: containers differ, and none is newly refused
	exitRefuses = 4 // of diff: containers are newly refused
)

// usageError is a wrong command line.
type usageError struct {
	command, problem string
}

// wrong is a wrong command line of a command.
func wrong(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Sprintf(format, args...)}
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s\nRun %s --help for usage.", e.problem, e.command)
}

// differenceError is what diff ends with if it compared all and found something.
type differenceError struct {
	code    int
	problem string
}

func (e *differenceError) Error() string { return e.problem }

func exitCode(err error) int {
	var usage *usageError
	var difference *differenceError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &difference):
		return difference.code
	}
	return exitFailed
}

func flagError(cmd *cobra.Command, err error) error {
	return wrong(cmd, "%s", err)
}

// knownCommand refuses whatever stands where a command's name should.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	problem := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		problem += fmt.Sprintf(" (%s?)", strings.Join(near, ", "))
	}
	return wrong(cmd, "%s", problem)
}

// noArguments refuses arguments. Most of them are meant as the policy.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	problem := fmt.Sprintf("%s takes no argument %q", cmd.CommandPath(), args[0])
	switch {
	case cmd.Flags().Lookup("filename") != nil:
		problem += fmt.Sprintf(": to name a manifest, write -f %s", args[0])
	case cmd.Flags().ShorthandLookup("c") != nil:
		problem += fmt.Sprintf(": to name the policy, write --config %s", args[0])
	}
	return wrong(cmd, "%s", problem)
}
