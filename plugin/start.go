// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/containerd/log"
	"github.com/containerd/nri/pkg/api"

	"github.com/nodegate/nodegate/plugin/policy"
	"github.com/nodegate/nodegate/plugin/record"
)

// StartContainer comes between the OCI runtime's create and start: the
// container's cgroup is there, and its program has not run. An error refuses it.
func (p *Plugin) StartContainer(ctx context.Context, pod *api.PodSandbox, ctr *api.Container) (err error) {
	p.busy.RLock()
	defer p.busy.RUnlock()
	pol := p.policy.Load()
	w := work{request: requestOf(pod, ctr), podID: pod.GetId(), containerID: ctr.GetId()}
	req := &w.request
	defer func() {
		if r := recover(); r != nil {
			err = refusal(pol, panicked(ctx, req, r))
		}
	}()
	read := sync.OnceValues(func() (record.Record, error) { return p.node.Records.Read(w.containerID) })
	if err := p.checkArrived(ctx, pol, &w, ctr.GetAnnotations()[record.Annotation], read); err != nil {
		return err
	}
	r, err := read()
	if pol.Wrapped(req.Handler) {
		if err := p.checkCarriedOut(ctx, req, &r, err); err != nil {
			p.report(ctx, pol, &w, err)
			return refusal(pol, err)
		}
	}
	if err := p.delegate(req, &r, err); err != nil {
		p.report(ctx, pol, &w, err)
		return err // what has a record was adjusted: there is no way back to audit
	}
	return nil
}

// checkCarriedOut refuses a container under a handler of nodegate-runc whose
// record was not carried out: the handler runs another program after all, or the
// container was created while no agent was there.
func (p *Plugin) checkCarriedOut(ctx context.Context, req *policy.Request, r *record.Record, err error) error {
	carriedOut := false
	if err == nil {
		carriedOut, err = p.node.Records.Acknowledged(r.ContainerID, r.Nonce)
	}
	if carriedOut {
		p.saw(req.Handler, true)
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return req.Refuse(policy.NotCarried, "", "was created while no nodegate agent was there: it has to be created again, which the kubelet does by itself")
	}
	if err != nil {
		log.G(ctx).WithError(err).Warn("cannot read the wrapper's acknowledgement")
	}
	if err == nil {
		p.saw(req.Handler, false)
	}
	return req.Refuse(policy.NotCarried, req.Handler, "was created without nodegate-runc: the runtime handler %q must have it as its BinaryName, or leave runtime.handlers",
		req.Handler)
}

// delegate hands the container its cgroup, if its record says so.
func (p *Plugin) delegate(req *policy.Request, r *record.Record, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // nodegate did nothing for it
	case err != nil:
		return req.Refuse(policy.Internal, "", "has a record that cannot be read: %s", err)
	case r.Given.Cgroup == nil:
		return nil
	}
	if err := p.node.Host.DelegateCgroup(r.Given.Cgroup); err != nil {
		return req.Refuse(policy.Internal, "", "cannot be given its cgroup: %s", err)
	}
	return nil
}
