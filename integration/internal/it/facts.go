// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package it

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/nodegate/nodegate/integration/node"
)

// Fact is what holds in a container of the support matrix: questions to its probe, and
// what makes of the answers, in the same order, an error that says what is so instead.
type Fact struct {
	questions []string
	holds     func(answers []string) error
}

// Check asks about all facts at once and returns the first that does not hold.
func Check(ctx context.Context, c *node.Container, facts []Fact) error {
	question := []string{"each"}
	for _, f := range facts {
		question = append(question, f.questions...)
	}
	text, err := c.Probe(ctx, question...)
	if err != nil {
		return err
	}
	var answers []string
	if err := json.Unmarshal([]byte(text), &answers); err != nil || len(answers) != len(question)-1 {
		return fmt.Errorf("asked %q it says %s", question, text)
	}
	for _, f := range facts {
		if err := f.holds(answers[:len(f.questions)]); err != nil {
			return err
		}
		answers = answers[len(f.questions):]
	}
	return nil
}

// Answers is that a question is answered in this way.
func Answers(question, want string) Fact {
	return Fact{[]string{question}, func(got []string) error {
		if got[0] != want {
			return fmt.Errorf("%s: %s", question, got[0])
		}
		return nil
	}}
}

// Capabilities by their numbers in the kernel.
const (
	CapNetRaw = 13
	CapMknod  = 27
)

// Has is that both PID 1 and an exec'd process may use a capability.
func Has(capability uint) Fact {
	return inProcesses(func(set string, held uint64) error {
		if held>>capability&1 == 0 && set != "CapInh" && set != "CapAmb" {
			return fmt.Errorf("lacks capability %d in %s", capability, set)
		}
		return nil
	})
}

// Lacks is that neither of them has it in any set, from which it could be had again.
func Lacks(capability uint) Fact {
	return inProcesses(func(set string, held uint64) error {
		if held>>capability&1 == 1 {
			return fmt.Errorf("has capability %d in %s", capability, set)
		}
		return nil
	})
}

func inProcesses(holds func(set string, held uint64) error) Fact {
	return Fact{[]string{"cat /proc/1/status", "cat /proc/self/status"}, func(statuses []string) error {
		for i, status := range statuses {
			who := []string{"PID 1", "an exec'd process"}[i]
			sets := 0
			for line := range strings.Lines(status) {
				name, value, _ := strings.Cut(line, ":")
				if !strings.HasPrefix(name, "Cap") {
					continue
				}
				sets++
				held, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
				if err == nil {
					err = holds(name, held)
				}
				if err != nil {
					return fmt.Errorf("%s %w", who, err)
				}
			}
			if sets != 5 {
				return fmt.Errorf("%s has %d sets of capabilities: %s", who, sets, status)
			}
		}
		return nil
	}}
}

// UnmaskedProc is that nothing is mounted over parts of /proc, as mounted("/proc/sys",
// "proc") is where it is not.
func UnmaskedProc() Fact {
	return mounts(func(types map[string]string) error {
		for at := range types {
			if strings.HasPrefix(at, "/proc/") {
				return fmt.Errorf("%s is masked or read-only", at)
			}
		}
		return nil
	})
}

// Mounted is that a file system of this type is mounted there.
func Mounted(at, fstype string) Fact {
	return mounts(func(types map[string]string) error {
		if types[at] != fstype {
			return fmt.Errorf("%q is mounted at %s", types[at], at)
		}
		return nil
	})
}

// mounts gives the types of file systems by their mount points.
func mounts(holds func(types map[string]string) error) Fact {
	return Fact{[]string{"cat /proc/self/mountinfo"}, func(info []string) error {
		types := map[string]string{}
		for line := range strings.Lines(info[0]) {
			before, after, ok := strings.Cut(line, " - ")
			if !ok {
				return fmt.Errorf("mountinfo has the line %q", line)
			}
			types[strings.Fields(before)[4]] = strings.Fields(after)[0]
		}
		return holds(types)
	}}
}
