// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/cri"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/evidence"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/recorder"
	"github.com/nodegate/nodegate/cmd/nodegate/internal/suggest"
	"github.com/nodegate/nodegate/config"
	"github.com/nodegate/nodegate/plugin/policy"
)

// try verifies the proposal, and makes it smaller if that is asked for.
func (o *learnOptions) try(cmd *cobra.Command, c *config.Config, s *suggestion, r *evidence.Recording) error {
	p, err := s.triable()
	if err != nil {
		return err
	}
	// Ctrl-C has ended the recording, and now ends the trial.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(cmd.Context()), unix.SIGINT, unix.SIGTERM)
	defer stop()
	t, err := o.newTrial(ctx, cmd.ErrOrStderr(), p, r)
	if err != nil {
		return err
	}
	defer t.client.Close()
	if err := t.verify(ctx, s, p); err != nil || !o.minimize {
		return err
	}
	return t.smaller(ctx, c, s, p)
}

// askRuntime has the proposal made for this node's runtime, which is to run it.
func (o *learnOptions) askRuntime(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("running a pod under a proposal needs root: run it by sudo on the pod's node")
	}
	client, err := cri.Connect(o.endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	name, version, err := client.Version(ctx)
	o.runtime = name + "/" + version
	return err
}

// triable is the one pod that can be tried, or an error that says why there is none.
func (s *suggestion) triable() (*suggested, error) {
	if len(s.pods) != 1 {
		return nil, fmt.Errorf("%d pods are proposed for, and one can be tried at a time: record it with --pod, and write its manifest alone", len(s.pods))
	}
	p := s.pods[0]
	name := p.proposal.Namespace + "/" + p.pod().Name
	if !p.proposal.Privileged() {
		return nil, fmt.Errorf("pod %s is not privileged: there is nothing to verify", name)
	}
	for i := range p.proposal.Containers {
		if c := &p.proposal.Containers[i]; len(c.Blocked) > 0 {
			return nil, fmt.Errorf("container %q of pod %s stays privileged, so that nothing is verified: %s", c.Name, name, c.Blocked[0])
		}
	}
	return p, nil
}

// newTrial finds out who can run the pod again.
func (o *learnOptions) newTrial(ctx context.Context, to io.Writer, p *suggested, r *evidence.Recording) (t *trial, err error) {
	options := *o
	t = &trial{learnOptions: &options, to: to}
	options.container, options.selector = "", nil
	ids := map[string]string{}
	for _, seen := range r.Containers {
		t.pod, ids[seen.Name] = seen.Namespace+"/"+seen.Pod, seen.ID
	}
	for i := range p.proposal.Containers {
		if c := &p.proposal.Containers[i]; c.Privileged && ids[c.Name] != "" {
			t.containers = append(t.containers, c.Name)
		}
	}
	if t.checkIn = o.checkIn; o.succeeds != "" && t.checkIn == "" && len(t.containers) == 1 {
		t.checkIn = t.containers[0]
	}
	if o.succeeds != "" && !slices.Contains(t.containers, t.checkIn) {
		return nil, fmt.Errorf("the pod has no container %q of which something was observed: write --check-in with one of %s", t.checkIn, strings.Join(t.containers, ", "))
	}
	if t.client, err = cri.Connect(o.endpoint); err != nil {
		return nil, err
	}
	if o.rerun == "" {
		err = t.findSource(ctx, ids, p)
	}
	if err != nil {
		t.client.Close()
	}
	return t, err
}

// findSource finds the pod that can be copied, as long as the runtime has it.
func (t *trial) findSource(ctx context.Context, ids map[string]string, p *suggested) error {
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		c, err := t.client.Container(ctx, ids[name])
		if err != nil {
			return fmt.Errorf("container %q is gone, so that no copy of it can run: write --run COMMAND, which runs its pod again: %w", name, err)
		}
		t.source, t.ids = c.PodID, append(t.ids, ids[name])
	}
	_, err := t.client.CopyPod(ctx, t.source, t.ids, p.copied())
	if errors.Is(err, cri.ErrKubelet) {
		t.source, err = "", nil
	}
	return err
}

// requests are the annotations by which the pod asks for what is proposed.
func (p *suggested) requests() map[string]string {
	out := map[string]string{}
	for _, from := range []map[string]string{p.pod().Annotations, p.proposal.Edit("").Annotations} {
		for k, v := range from {
			if k == policy.AnnotationBare || strings.HasPrefix(k, policy.AnnotationBare+"/") {
				out[k] = v
			}
		}
	}
	return out
}

// copied is how a copy of the pod differs, as the edited manifest would.
func (p *suggested) copied() cri.Changes {
	edit := p.proposal.Edit("")
	out := cri.Changes{UserNamespace: p.proposal.HostUsers || p.pod().UserNamespace, Confined: p.proposal.Confined(),
		Drop: func(container, mount string) bool { return slices.Contains(edit.Containers[container].Mounts, mount) }}
	if p.wrapper {
		out.Handler = wrapperClass
	}
	return out
}

// verify runs the pod under the whole proposal.
func (t *trial) verify(ctx context.Context, s *suggestion, p *suggested) error {
	c, err := s.tried()
	if err != nil {
		return err
	}
	fmt.Fprintf(t.to, "running pod %q under the proposal, for %s at most\n", t.pod, t.length)
	out := &verified{ends: map[string]string{}}
	// A kernel that cannot be observed can still run it.
	by, err := recorder.Start()
	if err != nil {
		out.NotRecorded = err.Error()
	}
	a, seen, err := t.run(ctx, c, p, by)
	if err != nil {
		return err
	}
	out.Works, out.Seen = a.works()
	out.Works = out.Works || !t.minimize && a.goesOn()
	for _, name := range t.containers {
		out.ends[name] = a.state(name)
	}
	out.Verdicts = t.judge(s, p, seen)
	s.verified = out
	switch {
	case out.Works:
		return nil
	case a.goesOn():
		return fmt.Errorf("pod %s goes on for more than %s, so that nothing says whether it works: write --check COMMAND, which does", t.pod, t.length)
	}
	return fmt.Errorf("pod %s does not work under the proposal: %s", t.pod, out.Seen)
}

// judge says of each entry what a run has shown; seen is nil if nothing was recorded.
func (t *trial) judge(s *suggestion, p *suggested, seen *evidence.Recording) (all []suggest.Verdict) {
	for i := range p.proposal.Containers {
		c := &p.proposal.Containers[i]
		var run *evidence.Container
		if seen != nil {
			run = t.observed(seen, p.pod(), c.Name, map[*evidence.Container]bool{})
		}
		all = append(all, c.Judge(run, s.observed(p.pod(), c.Name))...)
	}
	return all
}

// tried is the policy with the proposal. In audit mode nothing would be given.
func (s *suggestion) tried() (*config.Config, error) {
	c, err := s.policy()
	if err != nil {
		return nil, fmt.Errorf("reading the proposed policy: %w", err)
	}
	if c.Policy.Audit() {
		return nil, errors.New(`the policy's mode is "audit", in which no pod gets anything: write mode = "enforce" into a copy of it, and --config`)
	}
	return c, nil
}

// smaller takes entries away one by one. What is proposed in the end is what is left, also
// where something ends it before.
func (t *trial) smaller(ctx context.Context, base *config.Config, s *suggestion, p *suggested) error {
	all := p.proposal.Entries()
	n := 0
	found, err := suggest.Minimize(all, func(without []suggest.Entry) (bool, string, error) {
		n++
		e := without[len(without)-1]
		fmt.Fprintf(t.to, "run %d of %d: without %s of container %q: ", n, len(all), e.What, e.Container)
		works, seen, err := t.runWithout(ctx, base, s, without)
		if err == nil {
			fmt.Fprintln(t.to, seen)
		}
		return works, seen, err
	})
	s.verified.Minimized = found
	s.without = suggest.Gone(found)
	if err != nil {
		s.verified.Cut = err.Error()
	}
	return errors.Join(err, s.propose(base))
}

func (t *trial) runWithout(ctx context.Context, base *config.Config, s *suggestion, without []suggest.Entry) (works bool, seen string, err error) {
	s.without = without
	if err := s.propose(base); err != nil {
		return false, "", err
	}
	p, err := s.triable()
	if err != nil {
		return false, "no proposal holds: " + err.Error(), nil
	}
	c, err := s.tried()
	if err != nil {
		return false, "", err
	}
	a, _, err := t.run(ctx, c, p, nil)
	if err != nil {
		return false, "", err
	}
	if ctx.Err() != nil {
		return false, "", errors.New("ended by Ctrl-C")
	}
	works, seen = a.works()
	return works, seen, nil
}
