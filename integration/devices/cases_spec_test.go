// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package devices

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// difference counts the lines of an OCI spec, as JSON, that came (above 0) and that went.
// Lines that hold no value are left out: which bracket is whose is not told by a line.
type difference map[string]int

func (d difference) add(line string, count int) {
	line = strings.TrimSuffix(strings.TrimSpace(line), ",")
	if line == "" || strings.ContainsAny(line[len(line)-1:], "{}[]") || strings.Contains(line, `"nodegate.dev/nonce"`) {
		return
	}
	if d[line] += count; d[line] == 0 {
		delete(d, line)
	}
}

func (d difference) String() string {
	var out strings.Builder
	for _, line := range slices.Sorted(maps.Keys(d)) {
		fmt.Fprintf(&out, "%+d %s\n", d[line], line)
	}
	return out.String()
}

// explainedDifference reads what explain -o diff says of the container that a header names.
func explainedDifference(text, header string) difference {
	d, meant := difference{}, false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "#") && strings.Contains(line, ", container "):
			meant = strings.Contains(line, header)
		case !meant:
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		case strings.HasPrefix(line, "+"):
			d.add(line[1:], 1)
		case strings.HasPrefix(line, "-"):
			d.add(line[1:], -1)
		}
	}
	return d
}

// specDifference compares the specs of two containers, but for what only tells them apart.
func specDifference(t *testing.T, before, after *ran) difference {
	t.Helper()
	d := difference{}
	for r, count := range map[*ran]int{before: -1, after: 1} {
		text, err := json.MarshalIndent(r.spec, "", " ")
		it.Must(t, err)
		for line := range strings.Lines(r.names().Replace(string(text))) {
			line = processes.ReplaceAllString(line, "/proc/PID/")
			d.add(sharedMemory.ReplaceAllString(line, `"kubelet"`), count)
		}
	}
	return d
}

// What is another in each container; of the second, explain does not know where it is.
var (
	processes    = regexp.MustCompile(`/proc/[0-9]+/`)
	sharedMemory = regexp.MustCompile(`"/[^"]*/POD-ID/shm"`)
)

// ran is a container that ran, and the spec that it ran by.
type ran struct {
	pod  *node.Pod
	id   string
	spec *specs.Spec
}

// names replaces what is the container's own. The numbers of the claimed disk are those
// that explain has for one that is not known yet.
func (r *ran) names() *strings.Replacer {
	return strings.NewReplacer(r.id, "CONTAINER-ID", r.pod.ID, "POD-ID", r.pod.Config.UID, "POD-UID", r.pod.Config.Name, "POD",
		fmt.Sprintf(`"major": %d`, claimedMajor), `"major": -1`, fmt.Sprintf(`"minor": %d`, claimedMinor), `"minor": -1`)
}

// run runs a container and reads its spec. Where this machine's root may not raise limits,
// no OCI runtime gets further than the spec that it was handed.
func run(t *testing.T, n *node.Node, pod node.PodConfig, c node.ContainerConfig) (*ran, error) {
	t.Helper()
	p := it.RunPod(t, n, pod)
	created, err := p.CreateContainer(t.Context(), c)
	if err != nil {
		return nil, err
	}
	r := &ran{pod: p, id: created.ID}
	if err = p.StartContainer(t.Context(), created); err == nil {
		r.spec = it.SpecOf(t, created)
		return r, nil
	}
	if !strings.Contains(err.Error(), "error setting rlimit") || mayRaise(t) {
		return nil, err
	}
	status, err := n.CRI().ContainerStatus(t.Context(), &runtimeapi.ContainerStatusRequest{ContainerId: created.ID, Verbose: true})
	it.Must(t, err)
	var info struct{ RuntimeSpec *specs.Spec }
	it.Must(t, json.Unmarshal([]byte(status.GetInfo()["info"]), &info))
	r.spec = info.RuntimeSpec
	return r, nil
}
