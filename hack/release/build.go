// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// build is what is made for a platform: programs, and what has to go with them.
type build struct {
	platform
	programs []file // by their base names
	licences []file // by module
	sbom     []byte
}

// buildFor builds the programs in a folder of their own below dir.
func buildFor(o options, name string, p platform, dir string, commands []string) (build, error) {
	programs, err := compile(o, p, filepath.Join(dir, name+"-"+p.os+"-"+p.arch), commands)
	if err != nil {
		return build{}, err
	}
	modules, err := modulesOf(programs)
	if err != nil {
		return build{}, err
	}
	b := build{platform: p}
	if b.licences, err = licences(o.source, programFolder(o, commands[0]), modules); err != nil {
		return build{}, err
	}
	if b.sbom, err = sbom(o, name, p, modules); err != nil {
		return build{}, err
	}
	for _, program := range programs {
		b.programs = append(b.programs, file{name: filepath.Base(program), mode: 0o755, path: program})
	}
	return b, nil
}

// notices are the licences and notices as one text: those of Apache-2.0, section 4(d), and
// of every other licence that asks to be passed on with the program.
func (b *build) notices() ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "Licences and notices of what is linked into these programs.\n")
	for _, f := range b.licences {
		module, name := path.Split(f.name)
		if module == projectPath+"/" {
			continue // beside this file
		}
		text, err := os.ReadFile(f.path)
		if err != nil {
			return nil, err
		}
		line := strings.Repeat("-", 80)
		fmt.Fprintf(&out, "\n%s\n%s: %s\n%s\n\n%s\n", line, strings.TrimSuffix(module, "/"), name, line, bytes.TrimRight(text, "\n"))
	}
	return out.Bytes(), nil
}
