// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Command images serves the images that critest pulls, and is what they run beside busybox,
// by the name that it is called by: "euid" prints its effective user in the words that
// critest looks for, and "nginx PORT" serves a page as a process of the title that nginx
// has. By another name it is the registry: "images LAYER ADDRESS".
package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
)

// title is what critest looks for in the command line of PID 1.
const title = "nginx: master process"

func main() {
	var err error
	switch name := filepath.Base(os.Args[0]); {
	case name == "euid":
		fmt.Println("Effective uid:", os.Geteuid())
	case os.Args[0] == title:
		err = serve(os.Args[1])
	case name != "nginx":
		err = serveRegistry(os.Args[1], os.Args[2])
	default: // again, with the title
		err = syscall.Exec("/bin/nginx", append([]string{title}, os.Args[1:]...), os.Environ())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(port string) error {
	fmt.Println("httpd serves port", port) // as httpd's own log has its name in it
	if err := os.WriteFile("/var/run/nginx.pid", []byte(fmt.Sprintln(os.Getpid())), 0o644); err != nil {
		return err
	}
	return http.ListenAndServe(":"+port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "served")
	}))
}
