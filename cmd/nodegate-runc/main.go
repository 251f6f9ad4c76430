// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command nodegate-runc is called in the place of an OCI runtime. It carries
// out what the nodegate agent left for it to change in the container, and then
// becomes the real runtime.
package main

import (
	"os"

	"github.com/nodegate/nodegate/plugin/oci"
)

// configPath is the configuration's place. A build for tests sets another.
var configPath = "/etc/nodegate/runc.toml"

// version is set at build time.
var version = "devel"

func main() {
	if len(os.Args) == 2 && os.Args[1] == oci.VersionCommand {
		_, _ = os.Stdout.WriteString(version + "\n")
		return
	}
	os.Exit(oci.Runner{ConfigPath: configPath, Stderr: os.Stderr}.Run(os.Args, os.Environ()))
}
