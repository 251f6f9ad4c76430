// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"fmt"
	"strings"
	"sync"
)

// rollingPods are created while one agent makes place for another; as many at once.
const (
	rollingPods   = 40
	rollingAtOnce = 6
)

// Pods that start while the DaemonSet is updated all get what they ask for: the new agent
// is there before the old one goes.
func rollingUpdate(k *kube) {
	old := k.agents()[0].Metadata.UID
	var wg sync.WaitGroup
	slots := make(chan struct{}, rollingAtOnce)
	var mu sync.Mutex
	var wrong []string
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.upgrade("--set", "podAnnotations.update=one", "--wait", "--timeout=2m")
		k.upgrade("--set", "podAnnotations.update=two", "--wait", "--timeout=2m")
	}()
	for i := range rollingPods {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			name := fmt.Sprint("rolling-", i)
			said := k.startOne(name, "hostUsers: false")
			mu.Lock()
			defer mu.Unlock()
			if said != "ok" {
				wrong = append(wrong, name+": "+said)
			}
		})
	}
	wg.Wait()
	<-done
	if len(wrong) > 0 {
		k.Errorf("of %d pods these run without what they ask for:\n%s", rollingPods, strings.Join(wrong, "\n"))
	}
	is := k.agents()
	if len(is) != 1 || is[0].Metadata.UID == old || is[0].Metadata.Annotations["update"] != "two" {
		k.Errorf("the agent was not replaced: %+v", is)
	}
	status := k.do("-n", namespace, "exec", is[0].Metadata.Name, "--", "/usr/bin/nodegate", "status")
	if !strings.Contains(status, "and 0 outdated") {
		k.Errorf("the new agent finds containers that lack something:\n%s", status)
	}
}

// startOne starts a pod that asks for fuse, and says what it has; the pod goes again.
func (k *kube) startOne(name, spec string) string {
	ctx := k.Context()
	if _, err := k.Apply(ctx, manifest("ci", name, "profiles.nodegate.dev: fuse", spec)); err != nil {
		return err.Error()
	}
	if _, err := k.Kubectl(ctx, "-n", "ci", "wait", "pod/"+name, "--for=condition=Ready", "--timeout=60s"); err != nil {
		return err.Error() + k.get("-n", "ci", "get", "events", "--field-selector", "involvedObject.name="+name)
	}
	out, err := k.Kubectl(ctx, "-n", "ci", "exec", name, "--", "/probe", "open", "/dev/fuse", "rw")
	if err != nil {
		return out + err.Error()
	}
	if _, err := k.Kubectl(ctx, "-n", "ci", "delete", "pod", name, "--wait=false"); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}
