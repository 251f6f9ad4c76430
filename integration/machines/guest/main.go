// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command guest is what a machine of package machines has of its own, beside Debian.
//
//	guest          as /init of the initial RAM disk: loads the modules, mounts the disk
//	               and becomes the disk's /sbin/init
//	guest serve    as a service of the machine: runs commands that come through a
//	               virtio serial port
//
// The port is no network: whoever may open the socket of the emulator may send commands,
// and nobody else.
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		err = serve()
	} else {
		err = boot()
	}
	fmt.Fprintln(os.Stderr, "guest:", err)
	os.Exit(1)
}
