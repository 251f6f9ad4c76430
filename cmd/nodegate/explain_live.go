// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/oci"
	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// live explains a container that the node's runtime has.
func (e *explainer) live(ctx context.Context, report *explainReport) error {
	client, err := cri.Connect(e.options.endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := e.findRuntime(ctx, client); err != nil {
		return err
	}
	id, err := findContainer(ctx, client, e.options.id)
	if err != nil {
		return err
	}
	c, err := client.Container(ctx, id)
	if err != nil {
		return err
	}
	h, err := e.runsWith(c)
	if err != nil {
		return err
	}
	out := podReport{Kind: "Pod", Namespace: c.Namespace, Pod: c.Pod, Runtime: e.runtime.String(), RuntimeFrom: e.runtimeFrom,
		Handler: c.Handler, HandlerFrom: "as the runtime says", Hints: misspelt(c.Labels, c.Annotations)}
	got, err := e.decide(h.subject(e, c))
	if err != nil {
		return fmt.Errorf("container %s: %w", id, err)
	}
	got.explained.ID = id
	h.compare(e, &got)
	if err := got.explained.addDiff(&got, "as it runs"); err != nil {
		return err
	}
	out.Containers = []containerReport{got.explained}
	report.Pods = []podReport{out}
	return nil
}

// findContainer resolves the beginning of an id, also as kubectl shows it.
func findContainer(ctx context.Context, client *cri.Client, prefix string) (string, error) {
	_, bare, found := strings.Cut(prefix, "://")
	if found {
		prefix = bare
	}
	all, err := client.List(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, c := range all {
		if strings.HasPrefix(c.ID, prefix) {
			ids = append(ids, c.ID)
		}
	}
	switch {
	case len(ids) == 0:
		return "", fmt.Errorf("the runtime has no container whose id begins with %q: kubectl get pod -o yaml shows containerID", prefix)
	case len(ids) > 1:
		return "", fmt.Errorf("%d containers have an id that begins with %q: write more of it", len(ids), prefix)
	}
	return ids[0], nil
}

// running is what a container runs with.
type running struct {
	spec   []byte // with what the wrapper has changed
	parsed specs.Spec
	record *record.Record // the agent's, if it is this container's
	state  string
}

// runsWith reads what the container was given, from its spec and its record.
func (e *explainer) runsWith(c *cri.Container) (*running, error) {
	h := &running{spec: c.Spec, state: "it was created without an adjustment: the policy had none for it, or no agent was connected"}
	if err := json.Unmarshal(c.Spec, &h.parsed); err != nil {
		return nil, fmt.Errorf("reading the OCI spec of container %s: %w", c.ID, err)
	}
	store, err := record.Open(e.config.State.Dir)
	if err != nil {
		return nil, err
	}
	r, err := store.Read(c.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return h, nil
	case err != nil:
		h.state = fmt.Sprintf("its record cannot be read: %s", err)
		return h, nil
	case h.parsed.Annotations[record.Annotation] != r.Nonce:
		h.state = "it has a record whose nonce its spec does not hold: the agent's answer came too late for the runtime"
		return h, nil
	}
	h.record, h.state = &r, "it was adjusted when it was created"
	if len(r.Profiles) == 0 {
		h.state = "the agent had nothing to give when it was created"
	}
	if r.Adjustment.Empty() {
		return h, nil
	}
	if ok, err := store.Acknowledged(c.ID, r.Nonce); err != nil || !ok {
		h.state = "it was created without nodegate-runc, which had to deliver a part of it"
		return h, nil
	}
	// What the runtime tells is what it gave to nodegate-runc.
	if h.spec, err = oci.Apply(c.Spec, inSpec(&r.Adjustment)); err != nil {
		return nil, fmt.Errorf("what nodegate-runc changed in container %s: %w", c.ID, err)
	}
	return h, nil
}

// subject is the container as it was before its adjustment: today's policy
// decides about that one.
func (h *running) subject(e *explainer, c *cri.Container) *subject {
	linux := h.parsed.Linux
	if linux == nil {
		linux = &specs.Linux{}
	}
	userns := slices.ContainsFunc(linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
	allotted := policy.Claims(h.parsed.Annotations)
	for profile, units := range allotted {
		units.OK = h.record != nil && slices.Equal(h.record.Units[profile], units.Value)
		allotted[profile] = units
	}
	return &subject{
		request: policy.Request{Allotted: allotted, Namespace: c.Namespace, Pod: c.Pod, Labels: c.Labels, Annotations: c.Annotations,
			Container: c.Name, Handler: c.Handler, UserNamespace: policy.Is(userns)},
		container: func(*policy.Host) policy.Container { return h.container(e, c, linux) },
		idMaps:    func() (uid, gid policy.Known[[]specs.LinuxIDMapping]) { return e.host.IDMaps(c.SandboxPID) },
		seccomp:   func([]string) *specs.LinuxSeccomp { return linux.Seccomp },
		spec:      func([]string) ([]byte, error) { return h.spec, nil },
	}
}

// container is what the runtime told the agent: the spec without what the
// record says that the container was given.
func (h *running) container(e *explainer, c *cri.Container, linux *specs.Linux) policy.Container {
	var given change.Adjustment
	if h.record != nil {
		given = h.record.Given
	}
	k := policy.Container{ID: c.ID, CgroupsPath: linux.CgroupsPath, PodSysctls: e.podSysctls(c),
		HostNamespaces: policy.SharedNamespaces(c.PodNamespaces), PIDNamespace: policy.PIDNamespaceOf(linux.Namespaces, c.PodNamespaces)}
	if p := h.parsed.Process; p != nil && e.runtime.Has(change.TellsUser) {
		k.User, k.Groups = policy.Is(policy.User{UID: p.User.UID, GID: p.User.GID}), policy.Is(p.User.AdditionalGids)
	}
	if p := h.parsed.Process; p != nil && p.Capabilities != nil {
		k.Capabilities = policy.Is(p.Capabilities.Bounding)
		k.OwnAppArmor = !slices.Contains([]string{"cri-containerd.apparmor.d", "crio-default"}, p.ApparmorProfile)
	}
	for _, m := range h.parsed.Mounts {
		if !slices.ContainsFunc(given.Mounts, func(g specs.Mount) bool { return g.Destination == m.Destination && g.Source == m.Source }) {
			k.Mounts = append(k.Mounts, m)
			k.RuntimeShm = k.RuntimeShm || m.Destination == policy.SharedMemory && strings.HasSuffix(m.Source, "/shm")
		}
	}
	for _, d := range linux.Devices {
		if !slices.ContainsFunc(given.Devices, func(g change.Device) bool { return g.Path == d.Path }) {
			k.Devices = append(k.Devices, d)
		}
	}
	for _, n := range linux.Namespaces {
		if n.Path != "" || !slices.Contains(given.Namespaces, n.Type) {
			k.Namespaces = append(k.Namespaces, n)
		}
	}
	if linux.Resources != nil {
		k.DeviceRules = linux.Resources.Devices
	}
	return k
}

// podSysctls are those that the pod's other containers got, by their records.
func (e *explainer) podSysctls(c *cri.Container) map[string]policy.GivenSysctl {
	out := map[string]policy.GivenSysctl{}
	store, err := record.Open(e.config.State.Dir)
	if err != nil {
		return out
	}
	list, _ := store.List() // none, where there are no records
	for _, r := range list {
		if r.PodID != c.PodID || r.ContainerID == c.ID {
			continue
		}
		for name, value := range r.Given.Sysctls {
			out[name] = policy.GivenSysctl{Value: value, Container: r.Container}
		}
	}
	return out
}
