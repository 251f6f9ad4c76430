// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"
)

//go:embed learn-job.yaml
var learnJob string

// learnJobData is what the Job is made of. Each text is one that needs no quotes in YAML.
type learnJobData struct {
	Node, Pod, Namespace, ConfigMap, Image string
	Length                                 time.Duration
	Deadline                               int // seconds, with the time to pull the image
}

// plainName is a name of Kubernetes, and plainImage an image's.
var (
	plainName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	plainImage = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)
)

func renderLearnCommand() *cobra.Command {
	d := &learnJobData{}
	cmd := &cobra.Command{
		Use:   "learn",
		Short: "Print a Job that runs nodegate learn on a node",
		Long: `Prints a Job that runs nodegate learn on a node of a cluster and writes what it
proposes to its log. It is privileged and sees the node's processes, devices and
runtime, as tracing programs takes; it ends with the recording, is removed an
hour later, and has no token. Nothing else of nodegate has those rights.

Exits with 0.`,
		Example: `  nodegate render learn --node worker-1 --pod ci/builder | kubectl apply -f -
  kubectl logs -n nodegate -f job/nodegate-learn`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			namespace, pod, _ := strings.Cut(d.Pod, "/")
			switch {
			case !plainName.MatchString(d.Node):
				return wrong(cmd, "%q is not a node: write --node with its name in the cluster", d.Node)
			case !plainName.MatchString(namespace) || !plainName.MatchString(pod):
				return wrong(cmd, "%q is not a pod: write --pod NAMESPACE/NAME", d.Pod)
			case !plainName.MatchString(d.Namespace):
				return wrong(cmd, "%q is not a namespace: write --namespace with that of nodegate", d.Namespace)
			case !plainName.MatchString(d.ConfigMap):
				return wrong(cmd, "%q is not a ConfigMap: write --configmap with that of the policy", d.ConfigMap)
			case !plainImage.MatchString(d.Image):
				return wrong(cmd, "%q is not an image: write --image with nodegate's", d.Image)
			case d.Length <= 0:
				return wrong(cmd, "--for %s is no time: write --for 10m", d.Length)
			}
			d.Deadline = int(d.Length.Seconds())*2 + 600 // it waits for the pod as long
			return template.Must(template.New("job").Parse(learnJob)).Execute(cmd.OutOrStdout(), d)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.Node, "node", "", "the `name` of the pod's node")
	f.StringVar(&d.Pod, "pod", "", "the `namespace/name` of the pod, which is waited for")
	f.StringVarP(&d.Namespace, "namespace", "n", "nodegate", "the `namespace` of the Job, which has to let privileged pods in")
	f.StringVar(&d.ConfigMap, "configmap", "nodegate", "the `name` of the policy's ConfigMap there, if there is one")
	f.StringVar(&d.Image, "image", "nodegate/nodegate:"+version, "nodegate's `image`")
	f.DurationVar(&d.Length, "for", 10*time.Minute, "how `long` to record")
	return cmd
}
