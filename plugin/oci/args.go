// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
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

// maxForks bounds the options of a command line that this package does not know
// and whose next word may be their value: each doubles the ways to read on.
const maxForks = 4

// ParseArgs reads a command line, without the program's name, as runc does:
// options before the command and after it, each as --x v, --x=v, -x v or -x=v;
// for create and run also after the container's id, for exec only before it;
// -- ends them. crun's options are known where they have the same meaning.
//
// An option of a future runtime is not known, and so is whether the next word
// is its value. Both readings are tried. If more than one makes sense and they
// differ in anything that matters here, it is an error, because a container
// must not start unchanged by a misunderstanding. A line that has none of the
// words create, run, exec and restore is never an error.
func ParseArgs(args []string) (Call, error) {
	var p parser
	p.scan(&globalOptions, args, reading{}, p.command)
	starts := func(c Call) bool { return c.Verb != "" }
	switch {
	case !slices.ContainsFunc(args, guarded), len(p.calls) > 0 && !slices.ContainsFunc(p.calls, starts):
		return p.log, nil
	case len(p.calls) == 1:
		return p.calls[0], nil
	case len(p.calls) > 1:
		return p.log, errors.New("reading the command line: an option that nodegate-runc does not know makes it ambiguous: write it as --option=value")
	}
	return p.log, fmt.Errorf("reading the command line: %w", p.err)
}

// guarded are the commands that start a program in a container.
func guarded(word string) bool {
	return word == "create" || word == "run" || word == "exec" || word == "restore"
}

// parser collects what a command line can mean.
type parser struct {
	calls []Call // distinct readings
	err   error  // of the first reading that makes no sense
	log   Call   // where errors go, and nothing else
}

// reading is one way to read a command line, as far as it was read.
type reading struct {
	call    Call
	forks   int      // options so far whose next word may be their value
	unknown bool     // there was an option that is not known
	asks    [2]bool  // for help, for the version: then nothing is run
	words   []string // that are no options
}

func (p *parser) bad(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *parser) found(r reading) {
	c := r.call
	if r.asks[0] || r.asks[1] {
		c.Verb = ""
	}
	if c.Verb == "" {
		c = Call{Log: c.Log, LogFormat: c.LogFormat}
	}
	if c.Verb != "exec" {
		c.Root = ""
	}
	if !slices.Contains(p.calls, c) {
		p.calls = append(p.calls, c)
	}
}

// scan reads options and other words. It calls then for each way to read them:
// at the first other word if the table has options in order, else at the end.
func (p *parser) scan(table *options, args []string, r reading, then func(reading)) {
	for len(args) > 0 {
		word := args[0]
		if word == "--" {
			if r.unknown && !table.inOrder {
				// runc takes an unknown option before a -- for the id.
				p.bad("there is a -- after an option that nodegate-runc does not know")
				return
			}
			r.words = append(slices.Clip(r.words), args[1:]...)
			break
		}
		if !isOption(word) {
			if table.inOrder {
				r.words = args
				break
			}
			if len(r.words) > 0 {
				p.bad("there is more than one container id: %q and %q", r.words[0], word)
				return
			}
			r.words = []string{word}
			args = args[1:]
			continue
		}
		o, err := table.read(args)
		if err != nil {
			p.bad("%w", err)
			return
		}
		r.unknown = r.unknown || o.unknown
		if o.mayTakeNext {
			if r.forks++; r.forks > maxForks {
				p.bad("there are more than %d options that nodegate-runc does not know", maxForks)
				return
			}
			p.scan(table, args[2:], r, then)
		}
		r.take(o)
		if p.log.Log == "" || r.forks == 0 {
			p.log = Call{Log: r.call.Log, LogFormat: r.call.LogFormat}
		}
		args = args[o.words:]
	}
	then(r)
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
		r.asks[0] = o.set
	case "version":
		r.asks[1] = o.set
	}
}

// command reads the command and what follows it.
func (p *parser) command(r reading) {
	verb, args := "", []string(nil)
	if len(r.words) > 0 {
		verb, args = r.words[0], r.words[1:]
	}
	switch r.words = nil; {
	case r.asks[0] || r.asks[1]:
		p.found(r)
	case guarded(verb):
		r.call.Verb = verb
		table := map[string]*options{"create": &createOptions, "run": &createOptions, "exec": &execOptions, "restore": &restoreOptions}[verb]
		p.scan(table, args, r, p.container)
	case r.forks == 0 || slices.Contains(otherVerbs, verb):
		p.found(r)
	default:
		// After an unknown option, a word that is no command is its value.
		p.bad("%q is no command", verb)
	}
}

// container reads the id, which is all that create and run take.
func (p *parser) container(r reading) {
	verb := r.call.Verb
	switch {
	case len(r.words) == 0 || r.words[0] == "":
		if r.asks[0] {
			p.found(r)
		}
		p.bad("%s: there is no container id", verb)
	case len(r.words) > 1 && verb != "exec":
		p.bad("%s: there is more than one container id: %q and %q", verb, r.words[0], r.words[1])
	default:
		r.call.ID = r.words[0]
		p.found(r)
	}
}
