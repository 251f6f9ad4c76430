// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// coloured reports whether output may have colours: on a terminal that has
// them, and where https://no-color.org is not asked for.
func coloured(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// writeDryRun writes what would change.
func writeDryRun(w io.Writer, plan interface{ Diff(io.Writer) }) error {
	var out bytes.Buffer
	plan.Diff(&out)
	return writeDiff(w, out.Bytes())
}

// writeDiff writes a unified diff, in colour where that is wanted.
func writeDiff(w io.Writer, diff []byte) error {
	if !coloured(w) {
		_, err := w.Write(diff)
		return err
	}
	const bold, red, green, cyan, plain = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[0m"
	var out bytes.Buffer
	for line := range bytes.Lines(diff) {
		colour := ""
		switch {
		case bytes.HasPrefix(line, []byte("--- ")), bytes.HasPrefix(line, []byte("+++ ")), bytes.HasPrefix(line, []byte("diff ")):
			colour = bold
		case line[0] == '-':
			colour = red
		case line[0] == '+':
			colour = green
		case line[0] == '@':
			colour = cyan
		}
		if colour == "" {
			out.Write(line)
			continue
		}
		out.WriteString(colour)
		out.Write(bytes.TrimSuffix(line, []byte("\n")))
		out.WriteString(plain + "\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}
