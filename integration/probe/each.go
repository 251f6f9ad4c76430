// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// each asks several questions in one process, which a test pays for with one exec. A
// question is one argument, its words apart by blanks; the answers are a JSON list,
// with the errno's name for what is refused.
func each(args []string) (string, error) {
	answers := make([]string, 0, len(args))
	for _, arg := range args {
		words := strings.Fields(arg)
		i := slices.IndexFunc(questions(), func(q question) bool { return len(words) > 0 && q.name == words[0] })
		if i < 0 {
			return "", usageError(fmt.Sprintf("no question %q", arg))
		}
		answer, err := questions()[i].ask(words[1:])
		var wrong usageError
		if errors.As(err, &wrong) {
			return "", usageError(fmt.Sprintf("%s: %s", arg, wrong))
		}
		if err != nil {
			answer = errnoName(err)
		}
		answers = append(answers, answer)
	}
	text, err := json.Marshal(answers)
	return string(text), err
}
