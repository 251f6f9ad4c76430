// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package realnodes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/nodegate/nodegate/integration/internal/it"
	"github.com/nodegate/nodegate/integration/node"
)

// jobFile is the Job that nodegate render learn prints, jobImage the archive of its image, and
// jobPod what it observes.
const (
	jobFile  = "/root/job.yaml"
	jobImage = "/root/nodegate.tar"
	jobPod   = "byjob"
)

// bringJob puts nodegate's image and the Job for a pod on the machine.
func (m *machine) bringJob() {
	m.Helper()
	bin, err := node.BinDir()
	it.Must(m.T, err)
	version, err := os.ReadFile(filepath.Join(bin, "release/version.txt"))
	if err != nil {
		m.Fatalf("%v: run make image", err)
	}
	tag := strings.TrimSpace(string(version))
	it.Must(m.T, m.Copy(m.Context(), filepath.Join(bin, "release/nodegate-"+tag+"-oci.tar"), jobImage))
	m.sh(programs + "/nodegate render learn --node machine --pod ci/" + jobPod + " --image docker.io/nodegate/nodegate:" + tag + " >" + jobFile)
}

// job is what a kubelet reads of the Job.
type job struct {
	Spec struct {
		Template struct {
			Spec struct {
				HostPID    bool `yaml:"hostPID"`
				Containers []struct {
					Image           string
					Args            []string
					Ended           string `yaml:"terminationMessagePath"`
					SecurityContext struct {
						RunAsUser  int64 `yaml:"runAsUser"`
						Privileged bool
					} `yaml:"securityContext"`
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
						ReadOnly  bool   `yaml:"readOnly"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name     string
					HostPath struct{ Path string } `yaml:"hostPath"`
				}
			}
		}
	}
}

// learnByJob runs the Job's pod as the node's kubelet would: it records a privileged pod, and
// its log has the proposal.
func learnByJob(t *testing.T) {
	l := &lesson{T: t, node: attach(t), pod: jobPod, learnt: []*learnt{{program: named("squashfuse")[0]}}}
	text, err := os.ReadFile(jobFile)
	it.Must(t, err)
	var j job
	it.Must(t, yaml.Unmarshal(text, &j))
	pod := &j.Spec.Template.Spec
	if len(pod.Containers) != 1 {
		t.Fatalf("the Job is %s", text)
	}
	c := &pod.Containers[0]
	archive, err := os.Open(jobImage)
	it.Must(t, err)
	defer archive.Close()
	_, err = l.node.ImportImage(t.Context(), archive, c.Image)
	it.Must(t, err)
	config := node.ContainerConfig{Name: "learn", Image: c.Image, Args: c.Args, RunAsUser: &c.SecurityContext.RunAsUser, Privileged: c.SecurityContext.Privileged}
	config.Customize = func(request *runtimeapi.ContainerConfig) {
		for _, m := range request.GetMounts() { // that of /dev is read-only
			if m.GetContainerPath() == "/dev/termination-log" {
				m.ContainerPath = c.Ended
			}
		}
	}
	for _, m := range c.VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name == m.Name && v.HostPath.Path != "" { // there is no ConfigMap
				config.Mounts = append(config.Mounts, node.Mount{HostPath: v.HostPath.Path, ContainerPath: m.MountPath, ReadOnly: m.ReadOnly})
			}
		}
	}
	l.processors("0")
	learns := it.RunContainer(t, it.RunPod(t, l.node, node.PodConfig{Name: "learn", Namespace: "nodegate", HostPID: pod.HostPID, Privileged: config.Privileged}), config)
	l.logs(learns, "waiting for pod")
	l.processors("1")
	p := it.RunPod(t, l.node, node.PodConfig{Name: jobPod, Namespace: "ci", Privileged: true})
	l.logs(learns, "recording pod")
	l.expect(p, l.learnt[0], "observed by a Job", node.ContainerConfig{Name: "squashfuse", Privileged: true})
	l.processors("0")
	_, err = l.node.CRI().StopContainer(t.Context(), &runtimeapi.StopContainerRequest{ContainerId: learns.ID, Timeout: int64(limit.Seconds())})
	it.Must(t, err)
	l.processors("1")
	for _, want := range []string{"/dev/fuse", "CAP_SYS_ADMIN", "profile fuse-mount", `profiles = ["fuse-mount"]`, `namespaces = ["ci"]`} {
		l.logs(learns, want)
	}
	said, err := learns.Log()
	t.Logf("the Job's log, %v:\n%s", err, said)
}

// logs waits until a container's log has a text.
func (l *lesson) logs(c *node.Container, text string) {
	l.Helper()
	said, err := "", error(nil)
	for until := time.Now().Add(limit); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if said, err = c.Log(); err == nil && strings.Contains(said, text) {
			return
		}
	}
	l.Fatalf("the log does not say %q: %v\n%s", text, err, said)
}
