// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package wrapper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// A handler nodegate-vendor beside a vendor's own, as nodegate install --wrap-runtime makes
// it: the container is adjusted, by the vendor's runtime, and what only the wrapper can
// give is there. The vendor's own handler stays what it is.
func TestHandlerBesideAnother(t *testing.T) {
	it.NeedDevices(t, "/dev/fuse")
	bin, err := node.BinDir()
	it.Must(t, err)
	w := it.BuildWrapper(t)
	dir := filepath.Dir(w.Program)
	vendor, called, second := filepath.Join(dir, "vendor-runtime"), filepath.Join(dir, "called"), w.Program+"-vendor"
	it.Must(t, os.WriteFile(vendor, []byte("#!/bin/sh\necho \"$@\" >>"+called+"\nexec "+filepath.Join(bin, "runc")+" \"$@\"\n"), 0o755))
	program, err := os.ReadFile(w.Program)
	it.Must(t, err)
	it.Must(t, os.WriteFile(second, program, 0o755))
	n := it.StartNode(t, node.Options{PATH: bin, Handlers: map[string]string{it.Wrapped: w.Program, "vendor": vendor, "nodegate-vendor": second}})
	g, _ := it.StartAgent(t, n, "runtime.handlers = [\"nodegate\", \"nodegate-vendor\"]\n"+
		it.GrantApart("nested", "adopt")+"[profiles.adopt]\nadopt_devices = true\n")
	w.Configure(t, g.State)
	text, err := os.ReadFile(w.Config)
	it.Must(t, err)
	it.Must(t, os.WriteFile(w.Config, append(text, "[runtimes]\nvendor = \""+vendor+"\"\n"...), 0o644))

	given := node.ContainerConfig{Devices: []node.Device{{HostPath: "/dev/fuse", ContainerPath: "/dev/given", Permissions: "rw"}}}
	run := func(handler, profiles string) *node.Container {
		pod := node.PodConfig{Namespace: "ci", Handler: handler, UserNamespace: true}
		if profiles != "" {
			pod.Annotations = it.AskFor(profiles)
		}
		it.Must(t, os.WriteFile(called, nil, 0o644))
		if profiles == "" { // runc looks for the device by its path in the container
			return it.Run(t, n, pod, node.ContainerConfig{})
		}
		return it.Run(t, n, pod, given)
	}
	creates := func() int {
		text, err := os.ReadFile(called)
		it.Must(t, err)
		return strings.Count(string(text), " create ")
	}
	c := run("nodegate-vendor", "adopt,nested")
	it.Expect(t, c, "open /dev/given rw", "ok")
	it.Expect(t, c, "mount tmpfs /tmp", "ok")
	if got := creates(); got != 2 { // the sandbox, and the container
		t.Errorf("the vendor's runtime created %d, want 2", got)
	}
	it.Expect(t, run("vendor", ""), "mount tmpfs /tmp", "EPERM")
	if got := creates(); got != 2 {
		t.Errorf("under its own handler it created %d, want 2", got)
	}
	run(it.Wrapped, "adopt")
	if got := creates(); got != 0 {
		t.Errorf("under the handler nodegate the vendor's runtime created %d", got)
	}
	// Without the table nothing of it starts, and the other handler does.
	it.Must(t, os.WriteFile(w.Config, text, 0o644))
	p, err := n.RunPod(t.Context(), node.PodConfig{Name: "without", Namespace: "ci", Handler: "nodegate-vendor"})
	if err == nil || !strings.Contains(err.Error(), "names no runtime for it: write vendor = ") {
		t.Errorf("without the table: %v, %v", p, err)
	}
	it.Run(t, n, node.PodConfig{Namespace: "ci", Handler: it.Wrapped}, node.ContainerConfig{})
}
