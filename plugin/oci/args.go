// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"slices"
)

// Call is what the wrapper has to know of a command line of runc's.
type Call struct {
	Verb    string // "create", "run", "exec" or "restore"; "" for all else, which passes through
	ID      string // the container's
	Bundle  string // of create and run; "" is the current directory
	Process string // of exec: its --process file, or ""
	Root    string // of exec: where the runtime keeps its state; "" is the runtime's default

	// Log and LogFormat are where errors go. They are set as far as they
	// could be read, with an error too.
	Log, LogFormat string
}

// ParseArgs reads a command line, without the program's name, as runc does:
// options before the command and after it, each as --x v, --x=v, -x v or -x=v;
// for create, run and restore also after the container's id, for exec only before
// it; -- ends them. crun's options are known where they have the same meaning.
//
// Of an option that is not known nobody can tell whether the next word is its
// value, and a container must not start unchanged by a misunderstanding: then it is
// an error. A line that has none of the words create, run, exec and restore is
// never an error.
func ParseArgs(args []string) (Call, error) {
	r := reading{}
	err := r.line(args)
	onlyLog := Call{Log: r.call.Log, LogFormat: r.call.LogFormat}
	switch {
	case err != nil && slices.ContainsFunc(args, guarded):
		return onlyLog, fmt.Errorf("reading the command line: %w", err)
	case err != nil || r.call.Verb == "" || r.help || r.version:
		return onlyLog, nil
	case r.call.Verb != "exec":
		r.call.Root = ""
	}
	return r.call, nil
}

// guarded are the commands that start a program in a container.
func guarded(word string) bool { return commands[word] != nil }

// reading is a command line as far as it was read.
type reading struct {
	call          Call
	help, version bool     // is asked for: then nothing is run
	words         []string // that are no options
}

// line reads the options before the command, the command, and what follows it.
func (r *reading) line(args []string) error {
	if err := r.scan(&globalOptions, args); err != nil || len(r.words) == 0 || r.help || r.version {
		return err
	}
	verb, args := r.words[0], r.words[1:]
	if !guarded(verb) {
		return nil
	}
	r.call.Verb, r.words = verb, nil
	if err := r.scan(commands[verb], args); err != nil || r.help {
		return err
	}
	switch {
	case len(r.words) == 0 || r.words[0] == "":
		return fmt.Errorf("%s: there is no container id", verb)
	case len(r.words) > 1 && verb != "exec":
		return fmt.Errorf("%s: there is more than one container id: %q and %q", verb, r.words[0], r.words[1])
	}
	r.call.ID = r.words[0]
	return nil
}

// scan reads options and other words: to the end, or to the first other word if the
// table has options in order.
func (r *reading) scan(table *options, args []string) error {
	for len(args) > 0 {
		switch word := args[0]; {
		case word == "--":
			r.words = append(r.words, args[1:]...)
			return nil
		case isOption(word):
			o, err := table.read(args)
			if err != nil {
				return err
			}
			r.take(o)
			args = args[o.words:]
		case table.inOrder:
			r.words = args
			return nil
		default:
			r.words = append(r.words, word)
			args = args[1:]
		}
	}
	return nil
}

// take notes an option that matters. The last one of a name counts.
func (r *reading) take(o option) {
	switch o.name {
	case "log":
		r.call.Log = o.value
	case "log-format":
		r.call.LogFormat = o.value
	case "bundle":
		r.call.Bundle = o.value
	case "root":
		r.call.Root = o.value
	case "process":
		r.call.Process = o.value
	case "help":
		r.help = o.set
	case "version":
		r.version = o.set
	}
}
