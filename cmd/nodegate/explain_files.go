// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"

	"github.com/nodegate/nodegate/cmd/nodegate/internal/manifest"
	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// files explains manifests. What cannot be read costs only itself.
func (e *explainer) files(cmd *cobra.Command, report *explainReport) error {
	if err := e.askRuntime(cmd.Context()); err != nil {
		return err
	}

	pods, classes, problems := readManifests(cmd, e.options.files)
	found := false
	for i := range pods {
		p := &pods[i]
		if e.options.container != "" && !slices.ContainsFunc(p.Containers, func(c manifest.Container) bool { return c.Name == e.options.container }) {
			continue
		}
		found = true
		explained, err := e.pod(p, classes)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		report.Pods = append(report.Pods, explained)
	}
	if len(pods) > 0 && !found {
		problems = append(problems, fmt.Errorf("no pod has a container %q: there are %s", e.options.container, names(pods)))
	}
	if len(pods)+len(problems) == 0 { // a list of nothing, or RuntimeClasses alone
		problems = append(problems, errors.New("there is no pod to explain"))
	}
	for _, p := range problems {
		report.Problems = append(report.Problems, p.Error())
	}
	return errors.Join(problems...)
}

// readManifests reads the pods and RuntimeClasses of files, and prints their notes.
func readManifests(cmd *cobra.Command, files []string) (pods []manifest.Pod, classes map[string]string, problems []error) {
	classes = map[string]string{}
	for _, name := range files {
		file := readManifest(cmd, name)
		pods = append(pods, file.Pods...)
		maps.Copy(classes, file.RuntimeClasses)
		for _, p := range file.Problems {
			problems = append(problems, p)
		}
		for _, n := range file.Notes {
			fmt.Fprintf(cmd.ErrOrStderr(), "nodegate: %s\n", n)
		}
	}
	return pods, classes, problems
}

func readManifest(cmd *cobra.Command, name string) manifest.File {
	return readManifestBy(manifest.Read, cmd, name)
}

func readManifestBy(read func(name string, from io.Reader) manifest.File, cmd *cobra.Command, name string) manifest.File {
	if name == "-" {
		return read("stdin", cmd.InOrStdin())
	}
	f, err := os.Open(name)
	if err != nil {
		return manifest.File{Problems: []*manifest.Problem{{Place: manifest.Place{File: name}, Text: errors.Unwrap(err).Error()}}}
	}
	defer func() { _ = f.Close() }() // read only
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return manifest.File{Problems: []*manifest.Problem{{Place: manifest.Place{File: name}, Text: "is a directory: name a file in it"}}}
	}
	return read(name, f)
}

func names(pods []manifest.Pod) string {
	var all []string
	for i := range pods {
		for _, c := range pods[i].Containers {
			if !slices.Contains(all, c.Name) {
				all = append(all, c.Name)
			}
		}
	}
	return strings.Join(all, ", ")
}

// pod explains the containers of one pod, in the order in which they would be
// created: what one gets, the next one has to agree with.
func (e *explainer) pod(p *manifest.Pod, classes map[string]string) (podReport, error) {
	out := podReport{Source: &p.Place, Kind: p.Kind, Path: p.Path, several: p.Several, Namespace: p.Namespace, Pod: p.Name, Hints: p.Hints,
		Runtime: e.runtime.String(), RuntimeFrom: e.runtimeFrom, diffNote: "a sketch of the spec that containerd would make"}
	if out.Namespace == "" {
		out.Namespace = e.options.namespace
	}
	if out.Namespace == "" {
		return out, noNamespace(p)
	}
	out.Handler, out.HandlerFrom = e.handlerOf(p, classes)
	p.CgroupNamespace = e.cgroupV2()
	out.Hints = append(slices.Clip(out.Hints), misspelt(p.Labels, p.Annotations)...)
	given := map[string]policy.GivenSysctl{}
	for i := range p.Containers {
		c := &p.Containers[i]
		s := e.subjectOf(p, c, out.Handler, maps.Clone(given))
		got, err := e.decide(s)
		if err != nil {
			return out, &manifest.Problem{Place: p.Place, Text: fmt.Sprintf("container %q: %s", c.Name, err)}
		}
		if got.explained.Result == adjusted {
			give(given, &got.decision, c.Name)
		}
		if e.options.container != "" && e.options.container != c.Name {
			continue
		}
		got.explained.Type = c.Type
		e.assume(&out, p, c, &got)
		if err := got.explained.addDiff(&got, out.diffNote); err != nil {
			return out, err
		}
		out.Containers = append(out.Containers, got.explained)
	}
	return out, nil
}

// give notes the sysctls that a container gets for the whole pod.
func give(given map[string]policy.GivenSysctl, d *policy.Decision, container string) {
	for name, value := range d.Adjustment.Sysctls {
		given[name] = policy.GivenSysctl{Value: value, Container: container}
	}
}

func noNamespace(p *manifest.Pod) error {
	return &manifest.Problem{Place: p.Place, Text: fmt.Sprintf("%s %q has no namespace, and grants go by namespace: write metadata.namespace, or -n NAMESPACE", p.Kind, strings.TrimSuffix(p.Name, "-…"))}
}

// misspelt says which request of a pod nobody reads.
func misspelt(labels, annotations map[string]string) []string {
	what, meant := (&policy.Request{Labels: labels, Annotations: annotations}).NearMiss()
	if what == "" {
		return nil
	}
	return []string{fmt.Sprintf("the %s asks for nothing: write %s", what, meant)}
}

// cgroupV2 reports whether the node has it: there the runtime gives each
// container a cgroup namespace.
func (e *explainer) cgroupV2() bool { return e.host.Cgroup().Value.Version == policy.CgroupV2 }

// handlerOf says under which runtime handler the pod runs, and how that is known.
func (e *explainer) handlerOf(p *manifest.Pod, classes map[string]string) (handler, from string) {
	switch {
	case e.options.handler != "":
		return e.options.handler, "as --handler says"
	case p.RuntimeClass == "":
		return "", "no runtimeClassName"
	case classes[p.RuntimeClass] != "":
		return classes[p.RuntimeClass], fmt.Sprintf("as RuntimeClass %q in the manifest says", p.RuntimeClass)
	}
	return p.RuntimeClass, fmt.Sprintf("assumed: RuntimeClass %q could name another; --handler says which", p.RuntimeClass)
}

// subjectOf describes a container of a manifest. given is what the containers
// before it get for the whole pod.
func (e *explainer) subjectOf(p *manifest.Pod, c *manifest.Container, handler string, given map[string]policy.GivenSysctl) *subject {
	request := p.Request(c, e.options.namespace, handler)
	e.allot(&request)
	return &subject{
		request: request,
		container: func(found *policy.Host) policy.Container {
			out := p.Facts(c, e.runtime.Has(change.TellsUser))
			out.PodSysctls = given
			if c.Privileged {
				out = withNodes(out, found)
			}
			return out
		},
		idMaps: func() (uid, gid policy.Known[[]specs.LinuxIDMapping]) {
			return policy.Is(manifest.IDMap()), policy.Is(manifest.IDMap())
		},
		seccomp: c.Seccomp,
		spec:    func(denied []string) ([]byte, error) { return json.Marshal(p.Spec(c, denied)) },
	}
}

// assume notes what the answer rests on that only a running pod would tell.
func (e *explainer) assume(r *podReport, p *manifest.Pod, c *manifest.Container, got *explanation) {
	if len(got.explained.Profiles) == 0 {
		return
	}
	note := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(r.Assumed, text) {
			r.Assumed = append(r.Assumed, text)
		}
	}
	note("devices and cgroups are as on the node where this runs%s", e.hostNote)
	for _, d := range e.options.assumptions {
		note("%s", d)
	}
	if p.UserNamespace {
		note("the pod has the node's ids %d to %d: the kubelet gives %d from a multiple of that", manifest.FirstID, 2*manifest.FirstID-1, manifest.FirstID)
	}
	if !c.UserKnown {
		note("containers without runAsUser run as root: their images may say otherwise")
	}
	if c.Confined && len(got.decision.Adjustment.Seccomp) > 0 {
		note("the runtime's seccomp profile lets run what is denied here")
	}
	if c.Unnamed() {
		note("containers without a name get one from the controller that creates the pod: grants and annotations by container name may match them then")
	}
	for _, v := range c.Devices {
		note("which disk block volume %q is, is not known yet: negative numbers stand for its own", v.Path)
	}
	for _, profile := range slices.Sorted(maps.Keys(c.Resources)) {
		note("the kubelet allots container %q units of %s%s: %s", c.Name, policy.ResourceDomain, profile, e.units(profile, c.Resources[profile]))
	}
	if len(c.Extended) > 0 {
		note("container %q has no devices of %s yet: a device plugin names them when the pod runs", c.Name, strings.Join(c.Extended, ", "))
	}
	if slices.Contains(p.HostNamespaces, specs.NetworkNamespace) && p.UserNamespace {
		note("the cluster lets a pod have the host's network and a user namespace")
	}
}
