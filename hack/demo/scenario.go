// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nodegate/nodegate/integration/node"
)

// policyText is the demo's policy as README shows it; what names this node is
// put before it.
//
//go:embed policy.toml
var policyText string

// scenario is the pods of the demo and what is asked in them.
type scenario struct {
	node    *node.Node
	devices devices
	stick   stick
	system  string // the image of a whole system; "" where none is built
	bin     string // where the built programs are
}

// row is one line of the table: a question to a container of a pod.
type row struct {
	what, who      string
	pod, container string
	question       []string
}

func (r row) key() string { return r.pod + "/" + r.container + "/" + strings.Join(r.question, " ") }

const refusedKey = "refused"

// gateway is the node's end of the pods' network: something to ping.
const gateway = "10.88.0.1"

func (s scenario) rows() []row {
	rows := []row{{"ping", "pod with user namespace, uid 1000", "userns", "user", []string{"ping", gateway}}}
	for _, d := range s.devices.list {
		for _, pod := range []struct{ name, words string }{{"userns", "pod with user namespace"}, {"plain", "plain pod"}} {
			rows = append(rows,
				row{"open " + d.path, pod.words + ", root", pod.name, "root", []string{"open", d.path, "rw"}},
				row{"open " + d.path, pod.words + ", uid 1000", pod.name, "user", []string{"open", d.path, "rw"}})
		}
	}
	rows = append(rows, s.stick.rows()...)
	if s.system != "" {
		rows = append(rows, row{"systemd as PID 1", "pod with user namespace", "system", systemContainer, nil})
		rows = append(rows, row{"a container in a container", "pod with user namespace", "engine", innerContainer, nil})
	}
	return append(rows,
		row{"mknod, block device", "plain pod under no-mknod, root", "locked", "root", []string{"mknod", "b", "/tmp-disk", "7", "0"}},
		row{"mknod, FIFO", "plain pod under no-mknod, root", "locked", "root", []string{"mknod", "p", "/tmp-fifo"}},
		row{"mknod, whiteout 0:0", "plain pod under no-mknod, root", "locked", "root", []string{"mknod", "c", "/dev/shm/whiteout", "0", "0"}},
		row{"start", "pod that asks for what it was not granted", "greedy", "root", nil},
	)
}

// pod is one pod of the demo and the users that its containers run as.
type pod struct {
	name, namespace, request string
	userns                   bool
	users                    map[string]int64 // by the container's name
}

func (s scenario) pods() []pod {
	ask := strings.Join(s.devices.profiles(), ",")
	both, root := map[string]int64{"root": 0, "user": 1000}, map[string]int64{"root": 0}
	pods := []pod{
		{"userns", "demo", "ping," + ask, true, both},
		{"plain", "demo", ask, false, both},
		{stickPod, "demo", stickPod, false, map[string]int64{"user": 1000}},
		{"locked", "locked", "", false, root},
		{"greedy", "demo", "tun-admin", false, root},
	}
	if s.system != "" {
		pods = append(pods, pod{"system", "demo", "systemd", true, map[string]int64{systemContainer: 0}})
		pods = append(pods, pod{"engine", "demo", "nested", true, map[string]int64{innerContainer: 0}})
	}
	return pods
}

// run runs the pods once, side by side, and returns what they answered, by row.
func (s scenario) run(ctx context.Context, phase string) (map[string]string, error) {
	pods := s.pods()
	answers, errs := make([]map[string]string, len(pods)), make([]error, len(pods))
	var all sync.WaitGroup
	for i, p := range pods {
		all.Go(func() { answers[i], errs[i] = s.runPod(ctx, p, phase) })
	}
	all.Wait()
	sum := map[string]string{}
	for _, a := range answers {
		maps.Copy(sum, a)
	}
	return sum, errors.Join(errs...)
}

func (s scenario) runPod(ctx context.Context, p pod, phase string) (map[string]string, error) {
	handler := ""
	if p.name == "engine" && phase == "with" {
		handler = wrappedHandler
	}
	running, err := s.node.RunPod(ctx, node.PodConfig{Name: p.name, UID: p.name + "-" + phase,
		Namespace: p.namespace, UserNamespace: p.userns, Handler: handler,
		Annotations: map[string]string{"profiles.nodegate.dev": p.request}})
	if err != nil {
		return nil, err
	}
	answers := map[string]string{}
	for name, uid := range p.users {
		if err := s.ask(ctx, running, name, &uid, answers); err != nil {
			return nil, err
		}
	}
	return answers, running.Remove(ctx)
}

// ask starts one container and asks it all that the rows ask of it.
func (s scenario) ask(ctx context.Context, p *node.Pod, name string, uid *int64, answers map[string]string) error {
	if name == systemContainer {
		answer, err := s.boot(ctx, p)
		answers[row{pod: p.Config.Name, container: name}.key()] = answer
		return err
	}
	if name == innerContainer {
		answer, err := s.engine(ctx, p)
		answers[row{pod: p.Config.Name, container: name}.key()] = answer
		return err
	}
	config := node.ContainerConfig{Name: name, RunAsUser: uid, RunAsGroup: uid,
		DropCapabilities: []string{"NET_RAW"}, Seccomp: node.SeccompRuntimeDefault}
	if p.Config.Name == stickPod {
		s.stick.container(&config)
	}
	c, err := p.RunContainer(ctx, config)
	var refused *node.EventError
	switch {
	case errors.As(err, &refused) && p.Config.Name == "greedy":
		answers[row{pod: "greedy", container: name}.key()] = "refused"
		answers[refusedKey] = refused.Message
		return nil
	case err != nil:
		return err
	}
	for _, r := range s.rows() {
		if r.pod != p.Config.Name || r.container != name {
			continue
		}
		if r.question == nil {
			answers[r.key()] = "runs"
			continue
		}
		result, err := c.Exec(ctx, append([]string{"/probe"}, r.question...)...)
		if err != nil {
			return err
		}
		answers[r.key()] = strings.TrimSpace(result.Stdout)
	}
	return nil
}

// state is the directory of the agent's records.
func (s scenario) state() string { return filepath.Join(s.node.Dir(), "nodegate") }

// startAgent writes the policy and waits until the agent is registered.
func (s scenario) startAgent(ctx context.Context, binary, shadows string) (*node.Process, error) {
	path := filepath.Join(s.node.Dir(), "policy.toml")
	head := fmt.Sprintf("nri.socket = %q\nstate = { dir = %q, shadow_dir = %q }\nserver.listen = %q\n",
		s.node.NRISocket(), s.state(), shadows, "unix://"+filepath.Join(s.node.Dir(), "nodegate.sock"))
	names := make([]string, 0, len(s.devices.list))
	for _, name := range append([]string{"ping", "systemd", "nested", stickPod}, s.devices.profiles()...) {
		names = append(names, fmt.Sprintf("%q", name))
	}
	text := strings.Replace(policyText, `"ping", "fuse", "kvm", "systemd", "nested"`, strings.Join(names, ", "), 1)
	if err := os.WriteFile(path, []byte(head+text+s.devices.policy()+s.stick.policy()), 0o600); err != nil {
		return nil, fmt.Errorf("writing the policy: %w", err)
	}
	agent, err := s.node.StartAgent(ctx, binary, path)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := agent.WaitLog(wait, "synchronized"); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, agent.Log())
	}
	return agent, nil
}
