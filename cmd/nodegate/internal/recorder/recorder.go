// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package recorder

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

//go:embed bpf/learn.o
var object []byte

// Recorder is the programs, attached. Close it.
type Recorder struct {
	programs *ebpf.Collection
	links    []link.Link
	reader   *ringbuf.Reader
	record   ringbuf.Record    // the last one, whose memory the next one takes
	dirs     map[string]string // of the containers' cgroups, by id

	// Missing are the observations that this kernel has no place for.
	Missing []string
}

// observes says what each program is for, where a kernel may lack its place.
var observes = map[string]string{
	"chrdev_opened": "what drivers answer when a character device is opened", "blkdev_opened": "what drivers answer when a block device is opened",
	"device_checked": "devices that the device cgroup denies", "node_made": "device nodes made", "mounted": "file systems mounted",
	"limit_set": "limits raised", "socket_made": "ICMP and raw sockets", "cloned": "namespaces made by clone", "unshared": "namespaces made by unshare",
	"cgroup_made": "cgroups made",
}

// Start attaches the programs. They record nothing until Pod or Container names something.
// Where this node lets nobody observe, the error says why.
func Start() (*Recorder, error) {
	node := gather("/")
	if err := node.check(); err != nil {
		return nil, err
	}
	return attach(&node)
}

func attach(node *facts) (*Recorder, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("reading the types of the kernel: %s: %w", instead, err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("reading the programs: %w", err)
	}
	r := &Recorder{dirs: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(observes)) {
		var f *btf.Func
		if kernel.TypeByName(spec.Programs[name].AttachTo, &f) != nil {
			delete(spec.Programs, name)
			r.Missing = append(r.Missing, observes[name])
		}
	}
	if r.programs, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: kernel}}); err != nil {
		return nil, node.refused(err)
	}
	if r.reader, err = ringbuf.NewReader(r.programs.Maps["events"]); err != nil {
		return nil, errors.Join(fmt.Errorf("reading events: %w", err), r.Close())
	}
	for name, p := range r.programs.Programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: p})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attaching %s: %w", name, node.refused(err)), r.Close())
		}
		r.links = append(r.links, l)
	}
	return r, nil
}

// Pod records the containers that are made from now on in the pod of a sandbox.
func (r *Recorder) Pod(sandbox string) error {
	dir, err := cgroups.find(sandbox)
	if err != nil {
		return err
	}
	id, err := cgroupID(filepath.Dir(dir))
	if err != nil {
		return err
	}
	return r.put("pods", id, uint8(1))
}

// Container records a container that runs, and returns the id of its cgroup. The error
// wraps fs.ErrNotExist if it does not run.
func (r *Recorder) Container(id string) (uint64, error) {
	dir, err := cgroups.find(id)
	if err != nil {
		return 0, err
	}
	all, err := below(dir)
	if err != nil {
		return 0, err
	}
	for _, c := range all {
		if err := r.put("wanted", c, member{Container: all[0]}); err != nil {
			return 0, err
		}
	}
	r.dirs[id] = dir
	return all[0], nil
}

// member is struct member of bpf/learn.bpf.c.
type member struct {
	Container uint64
	Noted     [16]uint64
}

// Runs reports whether a container has its cgroup. Of one that is recorded it looks only
// where that was.
func (r *Recorder) Runs(id string) bool {
	if dir := r.dirs[id]; dir != "" {
		_, err := os.Stat(dir)
		return !errors.Is(err, fs.ErrNotExist)
	}
	_, err := cgroups.find(id)
	return !errors.Is(err, fs.ErrNotExist)
}

func (r *Recorder) put(into string, key, value any) error {
	if err := r.programs.Maps[into].Put(key, value); err != nil {
		return fmt.Errorf("naming the cgroups to record: %w", err)
	}
	return nil
}

// Next waits for an event until a time, and returns os.ErrDeadlineExceeded then.
func (r *Recorder) Next(until time.Time) (*Event, error) {
	r.reader.SetDeadline(until)
	if err := r.reader.ReadInto(&r.record); err != nil {
		return nil, err
	}
	return parse(r.record.RawSample)
}

// Stop ends the observation. What was observed before can still be read.
func (r *Recorder) Stop() error {
	var errs []error
	for _, l := range r.links {
		errs = append(errs, l.Close())
	}
	r.links = nil
	return errors.Join(errs...)
}

// Lost counts the events that there was no room for.
func (r *Recorder) Lost() (uint64, error) {
	var each []uint64 // by processor
	if err := r.programs.Maps["lost"].Lookup(uint32(0), &each); err != nil {
		return 0, fmt.Errorf("counting lost events: %w", err)
	}
	sum := uint64(0)
	for _, n := range each {
		sum += n
	}
	return sum, nil
}

// Calls are the system calls of each container, by its cgroup.
func (r *Recorder) Calls() (map[uint64][]string, error) {
	out := map[uint64][]string{}
	var key struct{ Cgroup, Call uint64 }
	var one uint8
	all := r.programs.Maps["calls"].Iterate()
	for all.Next(&key, &one) {
		out[key.Cgroup] = append(out[key.Cgroup], callName(uint32(key.Call))) //nolint:gosec // the programs put 32 bits in it
	}
	for _, names := range out {
		slices.Sort(names)
	}
	return out, all.Err()
}

// Close ends everything.
func (r *Recorder) Close() error {
	err := r.Stop()
	if r.reader != nil {
		err = errors.Join(err, r.reader.Close())
	}
	r.programs.Close()
	return err
}
