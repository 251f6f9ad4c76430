// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/integration/node"
)

// The Job that nodegate render learn prints runs on its node. Where the kernel lets nobody
// trace, its log says what is missing, and what to do instead.
func TestLearnJob(t *testing.T) {
	k := installed(t)
	bin, err := node.BinDir()
	if err != nil {
		t.Fatal(err)
	}
	image := k.do("-n", namespace, "get", "daemonset", "nodegate", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	job, err := exec.Command(filepath.Join(bin, "nodegate"), "render", "learn", "--node", k.Nodes[0].Name, "--pod", "ci/nobody", "--image", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	k.apply(string(job))
	defer k.do("-n", namespace, "delete", "job", "nodegate-learn", "--timeout=60s")
	const instead = "nodegate suggest reads manifests instead"
	log := ""
	k.eventually("the recording, or why there is none", func() error {
		log = k.get("-n", namespace, "logs", "job/nodegate-learn")
		if !strings.Contains(log, `waiting for pod "ci/nobody" on this node`) && !strings.Contains(log, instead) {
			return fmt.Errorf("the log is %q, and the pod\n%s", log, k.get("-n", namespace, "describe", "pods", "-l", "app.kubernetes.io/component=learn"))
		}
		return nil
	})
	t.Logf("the log: %s", log)
	if !strings.Contains(log, instead) {
		return // this kernel can be traced: see TestLearn of package realnodes
	}
	k.eventually("the Job to fail", func() error {
		if failed := k.get("-n", namespace, "get", "job", "nodegate-learn", "-o", "jsonpath={.status.failed}"); failed != "1" {
			return fmt.Errorf("failed: %q", failed)
		}
		return nil
	})
	if strings.Count(log, "\n") != 1 || !strings.HasPrefix(log, "nodegate: ") {
		t.Errorf("it is not said in one sentence: %q", log)
	}
}
