// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/nodegate/nodegate/plugin/record"
)

// Runner is a run of nodegate-runc.
type Runner struct {
	// ConfigPath is where runc.toml is. It is not an option and no variable of
	// the environment: who starts a container must not choose it.
	ConfigPath string
	Stderr     *os.File
}

// Run does the wrapper's part and becomes the real runtime, with the same
// arguments and environment. It returns only if that fails: an exit status.
// Then nothing was run, and the log and stderr say why.
func (r Runner) Run(argv, env []string) int {
	call, file, err := r.prepare(argv, env)
	if err == nil {
		// Not by way of another process: signals, the exit status and
		// open files are then the real runtime's own.
		err = fmt.Errorf("running the OCI runtime: %w", &fs.PathError{Op: "exec", Path: file, Err: syscall.Exec(file, argv, env)})
	}
	report(call, r.Stderr, fmt.Errorf("nodegate: %w", err))
	return 1
}

// prepare does everything up to the run, and returns what to run.
func (r Runner) prepare(argv, env []string) (Call, string, error) {
	if len(argv) == 0 || len(argv) == 1 && argv[0] == "" {
		return Call{}, "", errors.New("called without a name and arguments: call nodegate-runc as runc is called")
	}
	call, err := ParseArgs(argv[1:])
	if err != nil {
		return call, "", err
	}
	config, err := loadSettings(r.ConfigPath)
	if err != nil {
		if call.Verb != "" && call.Verb != "exec" {
			return call, "", err
		}
		// What is running must be seen, probed, stopped and removed all the
		// same, by the runtime that runs it if that can be told.
		if !isRuntime(config.Path) {
			config.Path = defaultRuntime
		}
	}
	runtime, err := config.runtimeOf(argv[0], r.ConfigPath)
	if err != nil && slices.Contains([]string{"create", "run", "restore"}, call.Verb) {
		return call, "", err
	}
	file, err := findRuntime(runtime, searchPath(env))
	if err != nil {
		return call, "", err
	}
	switch call.Verb {
	case "create", "run":
		err = create(&config, r.ConfigPath, call)
	case "exec":
		err = prepareExec(call)
	case "restore":
		err = refuseRestore(&config, call)
	}
	return call, file, err
}

// searchPath returns PATH, or where runtimes usually are.
func searchPath(env []string) string {
	for _, entry := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			return value
		}
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// create adjusts the bundle of a container that is about to be created.
func create(config *Settings, configPath string, call Call) error {
	b, err := openBundle(call.Bundle)
	if err != nil {
		return err
	}
	defer b.close()
	who, err := identify(b.spec, call.ID)
	if err != nil {
		return err
	}
	if who.isSandbox() {
		if err := clampPing(b.spec); err != nil {
			return err
		}
		return b.save(call.ID, processChange{})
	}
	if !who.needsRecord(config) {
		return nil
	}
	store, err := record.Open(config.StateDir)
	if err != nil {
		return err
	}
	found, err := findRecord(store, config, configPath, who)
	if err != nil {
		return err
	}
	if err := apply(b.spec, &found.Adjustment); err != nil {
		return fmt.Errorf("%s: adjusting it: %w", who, err)
	}
	if err := ownShadowNodes(b.spec, found.Adjustment.ShadowNodes); err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	if err := closeRoot(b, &found.Adjustment); err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	if err := b.save(call.ID, processChangeOf(&found.Adjustment)); err != nil {
		return err
	}
	return store.Acknowledge(call.ID, found.Nonce)
}

// refuseRestore lets no container of a pod come from a checkpoint: its seccomp
// filters and capabilities are in an image that the pod's author may have
// written, and what the spec says of them has no effect. containerd 2.1 to 2.3
// restore a container whose image is a checkpoint.
func refuseRestore(config *Settings, call Call) error {
	b, err := openBundle(call.Bundle)
	if err != nil {
		return err
	}
	defer b.close()
	who, err := identify(b.spec, call.ID)
	if err != nil || !who.needsRecord(config) {
		return err
	}
	return fmt.Errorf("%s would be restored from a checkpoint, which brings capabilities and seccomp filters of its own: start it from an image that is none", who)
}

// findRecord returns the record of a container, if it is the one that the
// agent's answer was about: half of an adjustment must not run.
func findRecord(store *record.Store, config *Settings, configPath string, who identity) (record.Record, error) {
	found, err := store.Read(who.id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found, fmt.Errorf("%s has no decision record, so its adjustment is not known: %s", who, who.advice(configPath, config.StateDir))
	case errors.Is(err, fs.ErrPermission):
		// Root may read everything, as far as file modes go.
		return found, fmt.Errorf("%s: its decision record cannot be read: %w; a security module such as SELinux denies it to the OCI runtime: see the kernel's log (ausearch -m avc, or dmesg) for the rule that is missing", who, err)
	case err != nil:
		return found, fmt.Errorf("%s: its decision record cannot be trusted: %w", who, err)
	case who.nonce == "":
		return found, fmt.Errorf("%s has a decision record, but the agent's answer did not arrive: see in its log why it was late; the container is created again by itself", who)
	case found.Nonce != who.nonce:
		return found, fmt.Errorf("%s has a decision record that is not the one which the agent's answer names: see that one agent runs on this node; the container is created again by itself", who)
	}
	return found, nil
}

// prepareExec changes a process as its container was changed.
func prepareExec(call Call) error {
	if call.Process == "" {
		return nil // it starts from the bundle's own spec, which has the change
	}
	change, err := runningChange(call)
	if err != nil {
		return fmt.Errorf("exec in container %q: what nodegate changed in it is not known: %w", call.ID, err)
	}
	if change.empty() {
		return nil
	}
	return adjustProcess(call.Process, change)
}

// runningChange finds the bundle of a container that runs, and what create left
// in it. containerd and Docker keep the log there; others do not.
func runningChange(call Call) (processChange, error) {
	if dir := path.Dir(call.Log); call.Log != "" && isBundle(dir) {
		change, err := readExecChange(dir, call.ID)
		if !errors.Is(err, errOthers) {
			return change, err
		}
	}
	dir, err := runningBundle(call.Root, call.ID)
	if err != nil {
		return processChange{}, err
	}
	return readExecChange(dir, call.ID)
}
