// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package containerd

import (
	"fmt"
	"path"
	"strings"
)

// Service is what systemd knows of a unit that runs containerd.
type Service struct {
	starts      []string
	environment map[string]string
	// Files are the unit's environment files, whose variables win over its own.
	Files []string
}

// ParseService reads a unit's file and its drop-ins, in the order in which they apply; see
// systemd.service(5) and systemd.syntax(7).
func ParseService(files ...string) (*Service, error) {
	s := &Service{environment: map[string]string{}}
	for _, text := range files {
		section := ""
		for _, line := range logicalLines(text) {
			if strings.HasPrefix(line, "[") {
				section = line
				continue
			}
			key, value, _ := strings.Cut(line, "=")
			if section == "[Service]" {
				if err := s.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
					return nil, err
				}
			}
		}
	}
	return s, nil
}

func (s *Service) set(key, value string) error {
	switch key {
	case "ExecStart":
		s.starts = append(s.starts, value)
		if value == "" {
			s.starts = nil
		}
	case "EnvironmentFile":
		s.Files = append(s.Files, strings.TrimPrefix(value, "-"))
		if value == "" {
			s.Files = nil
		}
	case "Environment":
		words, err := split(value)
		if err != nil {
			return fmt.Errorf("its Environment=%s: %w", value, err)
		}
		if value == "" {
			clear(s.environment)
		}
		for _, word := range words {
			name, v, _ := strings.Cut(word, "=")
			s.environment[name] = v
		}
	}
	return nil
}

// logicalLines joins lines that end in a backslash, and leaves comments out.
func logicalLines(text string) (all []string) {
	joined := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		rest, more := strings.CutSuffix(line, "\\")
		joined += rest
		if more {
			joined += " "
			continue
		}
		if joined != "" {
			all = append(all, joined)
		}
		joined = ""
	}
	if joined != "" {
		all = append(all, joined)
	}
	return all
}

// ParseEnvironment reads the text of an environment file into the variables.
func (s *Service) ParseEnvironment(text string) {
	for _, line := range logicalLines(text) {
		name, value, ok := strings.Cut(line, "=")
		words, err := split(value)
		if ok && err == nil {
			s.environment[strings.TrimSpace(name)] = strings.Join(words, " ")
		}
	}
}

// Command is the command line that the service runs containerd with; nil if what it runs
// is another program, such as a script that starts it.
func (s *Service) Command() (*CommandLine, error) {
	switch len(s.starts) {
	case 0:
		return nil, nil
	case 1:
	default:
		return nil, fmt.Errorf("it has %d lines with ExecStart, which systemd does not start: a drop-in that replaces one says ExecStart= alone before it", len(s.starts))
	}
	line := strings.TrimLeft(s.starts[0], "@-:+!|")
	words, err := split(line)
	if err != nil {
		return nil, fmt.Errorf("its ExecStart=%s: %w", s.starts[0], err)
	}
	literal := strings.Contains(strings.TrimSuffix(s.starts[0], line), ":")
	for i, word := range words {
		if path.Base(word) != "containerd" {
			continue
		}
		c := &CommandLine{Name: word, Args: words[i+1:]}
		if !literal {
			c.Args, err = s.expand(c.Args)
		}
		return c, err
	}
	return nil, nil
}

// expand replaces variables as systemd does: ${NAME} anywhere, $NAME as a word of its own
// by as many words as it has. One that is not set is nothing at all, which is an error in
// the name of the configuration.
func (s *Service) expand(words []string) (all []string, err error) {
	for i, word := range words {
		if name, ok := strings.CutPrefix(word, "$"); ok && isName(name) {
			all = append(all, strings.Fields(s.environment[name])...)
			continue
		}
		var out strings.Builder
		for rest := word; rest != ""; {
			before, after, found := strings.Cut(rest, "${")
			out.WriteString(strings.ReplaceAll(before, "$$", "$"))
			name, tail, closed := strings.Cut(after, "}")
			if rest = tail; found && closed {
				if _, set := s.environment[name]; !set && (CommandLine{Args: words[max(0, i-1) : i+1]}).Option("config", "c") != "" {
					err = fmt.Errorf("its ExecStart says %s, and %s is not set", strings.Join(words[max(0, i-1):i+1], " "), name)
				}
				out.WriteString(s.environment[name])
			}
		}
		all = append(all, out.String())
	}
	return all, err
}

func isName(text string) bool {
	return text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// split splits a line into words, with quotes and backslashes.
func split(line string) (words []string, err error) {
	var word strings.Builder
	quote, inWord, escaped := rune(0), false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("a quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
