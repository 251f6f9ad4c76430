// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"go.yaml.in/yaml/v3"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Pod is what a policy can see of a pod, and what its spec is made of.
type Pod struct {
	Place
	Kind      string // of the object that holds it
	Path      string // of its template in the object, dotted; "" for a Pod
	Several   bool   // the object holds other templates as well
	Name      string // the pod's; where that is drawn later, its beginning and "…"
	Namespace string // "" where the manifest has none

	Labels, Annotations map[string]string
	RuntimeClass        string // "" for the default one
	UserNamespace       bool
	CgroupNamespace     bool                       // each container has its own: not told by a manifest
	HostNamespaces      []specs.LinuxNamespaceType // that it shares with the node
	ShareProcesses      bool                       // its containers are in the PID namespace of its sandbox
	Sysctls             map[string]string
	Containers          []Container // as they are created: init containers first
	Hints               []string    // what was probably meant otherwise

	written written
}

// Container is one container of a pod.
type Container struct {
	Name, Type string // Type is "container", "init", "sidecar" or "ephemeral"
	Target     string // whose PID namespace an ephemeral container joins

	User       policy.User
	UserKnown  bool     // else it is the image's, which no manifest tells
	Groups     []uint32 // supplementary ones; the image may have more
	Privileged bool
	Command    []string // of one that is privileged, with its arguments
	Add, Drop  []string // capabilities, without CAP_; or "ALL"
	Confined   bool     // by the runtime's own seccomp profile, or one of the node
	// WouldConfine says that one is chosen, which confines it unless it is privileged.
	WouldConfine bool
	Unmasked     bool // procMount: Unmasked
	// OwnAppArmor says that the pod chooses an AppArmor profile for it, or none.
	OwnAppArmor bool
	Env         []string
	Mounts      []specs.Mount // its volumes
	Message     string        // terminationMessagePath, where the kubelet mounts a file
	Devices     []BlockVolume
	Extended    []string       // resources that other device plugins give
	Resources   map[string]int // profiles that it asks for as resources, and how many units
}

// BlockVolume is a volume that comes as a device (volumeDevices).
type BlockVolume struct {
	Path   string // in the container
	Access string // that the kubelet asks for: "rwm", or "r" of a read-only claim
}

func (d *document) pod(n *yaml.Node, kind string) {
	var o struct {
		Metadata metadata `yaml:"metadata"`
		Spec     *podSpec `yaml:"spec"`
	}
	if err := n.Decode(&o); err != nil {
		d.unreadable(err)
		return
	}
	if o.Spec == nil || len(o.Spec.Containers) == 0 {
		d.bad(0, "Pod %q has no containers: write them under spec.containers", o.Metadata.Name)
		return
	}
	name := string(o.Metadata.Name)
	if name == "" {
		name = string(o.Metadata.GenerateName) + "…"
	}
	p := Pod{Kind: kind, Name: name, Namespace: cmp.Or(string(o.Metadata.Namespace), d.namespace),
		written: written{d.first, field(n, "metadata"), field(n, "spec"), n}}
	d.add(p, n, &o.Metadata, o.Spec, field(n, "spec"))
}

// add completes a pod. n is its object and raw its spec, as written.
func (d *document) add(p Pod, n *yaml.Node, meta *metadata, spec *podSpec, raw *yaml.Node) {
	if line, have, meant := misspelt(raw, "containers", "initContainers", "ephemeralContainers", "hostUsers",
		"hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "runtimeClassName", "securityContext"); have != "" {
		d.bad(d.line(line), "%s is not a field of a pod's spec: write %s", have, meant)
		return
	}
	for _, name := range []text{meta.Name, meta.GenerateName, meta.Namespace, text(p.Namespace), text(strings.TrimRight(p.Name, "…"))} {
		if !isName(string(name)) {
			d.notName(n, string(name))
			return
		}
	}
	p.Place = d.place
	if !d.toEdit {
		p.written = written{}
	}
	p.Labels, p.Annotations = plain(meta.Labels), plain(meta.Annotations)
	p.RuntimeClass = string(spec.RuntimeClassName)
	p.UserNamespace = spec.HostUsers != nil && !*spec.HostUsers
	if spec.HostNetwork {
		p.HostNamespaces = append(p.HostNamespaces, specs.NetworkNamespace, specs.UTSNamespace)
	}
	if spec.HostPID {
		p.HostNamespaces = append(p.HostNamespaces, specs.PIDNamespace)
	}
	p.ShareProcesses = spec.ShareProcesses != nil && *spec.ShareProcesses
	if spec.HostIPC {
		p.HostNamespaces = append(p.HostNamespaces, specs.IPCNamespace)
	}
	for _, s := range spec.SecurityContext.Sysctls {
		if s.Value != nil {
			p.Sysctls = with(p.Sysctls, string(s.Name), string(*s.Value))
		}
	}
	seen := map[text]bool{}
	for _, list := range []struct {
		kind       string
		containers []container
		raw        *yaml.Node
	}{
		{"init", spec.InitContainers, field(raw, "initContainers")},
		{"container", spec.Containers, field(raw, "containers")},
		{"ephemeral", spec.EphemeralContainers, field(raw, "ephemeralContainers")},
	} {
		for i := range list.containers {
			c := &list.containers[i]
			at := item(list.raw, i)
			line := d.line(at.Line)
			if c.Name == "" && !holdsPods(p.Kind) {
				c.Name = named(n, i, len(list.containers))
			}
			switch {
			case c.Name == "":
				d.bad(line, "a container has no name: write name: app, for instance")
				return
			case c.Name != unnamed && !isName(string(c.Name)):
				d.notName(at, string(c.Name))
				return
			case seen[c.Name] && c.Name != unnamed:
				d.bad(line, "there is a second container %q: give it another name", c.Name)
				return
			case !isID(c.SecurityContext.RunAsUser) || !isID(c.SecurityContext.RunAsGroup) ||
				!isID(spec.SecurityContext.RunAsUser) || !isID(spec.SecurityContext.RunAsGroup):
				d.bad(line, "container %q runs as an id that does not exist: write runAsUser and runAsGroup from 0 to %d", c.Name, math.MaxInt32)
				return
			}
			seen[c.Name] = true
			kind := list.kind
			if kind == "init" && c.RestartPolicy == "Always" {
				kind = "sidecar"
			}
			if bad, have, meant := misspelt(at, "name", "restartPolicy", "securityContext", "volumeMounts", "volumeDevices", "resources", "env"); have != "" {
				d.bad(d.line(bad), "%s is not a field of a container: write %s", have, meant)
				return
			}
			units, ok := d.units(&p, c, at)
			if !ok {
				return
			}
			p.Containers = append(p.Containers, containerOf(kind, c, spec))
			p.Containers[len(p.Containers)-1].Resources = units
		}
	}
	for key, value := range p.Annotations {
		if isRequest(key) && strings.Contains(key+value, "{{") {
			d.unreadable(errTemplate)
			return
		}
	}
	p.Hints = append(p.Hints, strayRequests(&p)...)
	d.out.Pods = append(d.out.Pods, p)
}

// item returns an item of a list as it is written; a merge key (<<) may have
// brought it from elsewhere.
func item(list *yaml.Node, i int) *yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode || i >= len(list.Content) {
		return &yaml.Node{Line: 1}
	}
	return list.Content[i]
}

// errTemplate makes unreadable look for the template: {{ in quotes is good YAML.
var errTemplate = errors.New("is a template")

func (d *document) notName(at *yaml.Node, name string) {
	if strings.Contains(name, "{{") {
		d.unreadable(errTemplate)
		return
	}
	d.bad(d.line(at.Line), "%q is not a name: write letters, digits and dashes", name)
}

// isRequest reports whether a key is that of a request, or of another tool's
// annotation that a policy may take for one.
func isRequest(key string) bool {
	base, _, _ := strings.Cut(key, "/")
	return base == policy.AnnotationBare || slices.Contains(policy.ThirdParties(), policy.ThirdParty(base))
}

// strayRequests finds requests on behalf of containers that the pod has not.
func strayRequests(p *Pod) []string {
	var hints []string
	for _, key := range slices.Sorted(maps.Keys(p.Annotations)) {
		_, name, ok := strings.Cut(key, "/container.")
		if ok && isRequest(key) && name != "" && !slices.ContainsFunc(p.Containers, func(c Container) bool { return c.Name == name }) {
			hints = append(hints, fmt.Sprintf("the annotation %q asks for a container that the pod has not", key))
		}
	}
	return hints
}

func containerOf(kind string, c *container, pod *podSpec) Container {
	own, shared := &c.SecurityContext, &pod.SecurityContext
	out := Container{Name: string(c.Name), Type: kind, Target: string(c.Target), Privileged: own.Privileged, Unmasked: own.ProcMount == "Unmasked"}
	if uid := first(own.RunAsUser, shared.RunAsUser); uid != nil {
		out.User.UID, out.UserKnown = uint32(*uid), true
	}
	if gid := first(own.RunAsGroup, shared.RunAsGroup); gid != nil {
		out.User.GID = uint32(*gid)
	}
	groups := shared.Groups
	if shared.FSGroup != nil {
		groups = append(slices.Clip(groups), *shared.FSGroup) // the kubelet makes it one of them
	}
	for _, g := range groups {
		out.Groups = append(out.Groups, uint32(g))
	}
	profile := own.SeccompProfile.Type
	if profile == "" {
		profile = shared.SeccompProfile.Type
	}
	out.WouldConfine = profile != "" && profile != "Unconfined"
	out.Confined = out.WouldConfine && !own.Privileged
	if own.Privileged { // of whose needs it may tell
		out.Command = slices.Concat(c.Command, c.Args)
	}
	appArmor := cmp.Or(own.AppArmorProfile.Type, shared.AppArmorProfile.Type, "RuntimeDefault")
	out.OwnAppArmor = appArmor != "RuntimeDefault"
	for _, name := range own.Capabilities.Add {
		out.Add = append(out.Add, strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_"))
	}
	for _, name := range own.Capabilities.Drop {
		out.Drop = append(out.Drop, strings.TrimPrefix(strings.ToUpper(string(name)), "CAP_"))
	}
	for _, e := range c.Env {
		if e.Value != nil {
			out.Env = append(out.Env, string(e.Name)+"="+string(*e.Value))
		}
	}
	out.Message = cmp.Or(string(c.Message), "/dev/termination-log")
	for _, m := range c.VolumeMounts {
		options := []string{"rbind", "rprivate", "rw"}
		if m.ReadOnly {
			options[2] = "ro"
		}
		if m.Propagation == "Bidirectional" {
			options[1] = "rshared"
		}
		source := "volume"
		for _, volume := range pod.Volumes {
			if volume.Name == m.Name && volume.HostPath.Path != "" && m.SubPath == "" && m.SubPathExpr == "" {
				source = string(volume.HostPath.Path)
			}
		}
		out.Mounts = append(out.Mounts, specs.Mount{Destination: string(m.MountPath), Type: "bind", Source: source, Options: options})
	}
	for _, v := range c.VolumeDevices {
		block := BlockVolume{string(v.DevicePath), "rwm"}
		for _, volume := range pod.Volumes {
			if volume.Name == v.Name && volume.Claim.ReadOnly {
				block.Access = "r"
			}
		}
		out.Devices = append(out.Devices, block)
	}
	for name := range c.Resources.Limits {
		if strings.Contains(string(name), "/") && !strings.Contains(string(name), "kubernetes.io/") && !strings.HasPrefix(string(name), policy.ResourceDomain) {
			out.Extended = append(out.Extended, string(name))
		}
	}
	slices.Sort(out.Extended)
	return out
}

// isID reports whether Kubernetes would take the number for a uid or gid.
func isID(id *int64) bool { return id == nil || *id >= 0 && *id <= math.MaxInt32 }

func first(values ...*int64) *int64 {
	for _, v := range values {
		if v != nil {
			return v
		}
	}
	return nil
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

func plain(in map[text]text) map[string]string {
	var out map[string]string
	for k, v := range in {
		out = with(out, string(k), string(v))
	}
	return out
}
