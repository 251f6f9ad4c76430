// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// StartAgent runs `BINARY run --config CONFIG` where containerd runs, in the node's
// mount and network namespace, as an agent on a real node does. It does not wait: the
// agent's log says when it is registered (Process.WaitLog). The agent ends with the
// node at the latest, after the pods.
func (n *Node) StartAgent(ctx context.Context, binary, config string, args ...string) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var err error
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	if config, err = filepath.Abs(config); err != nil {
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	log := filepath.Join(n.dir, fmt.Sprintf("agent-%d.log", len(n.agents)+1))
	p, err := StartProcess("the agent", n.ns.enter(binary, append([]string{"run", "--config", config}, args...)...), log)
	if err != nil {
		return nil, err
	}
	n.agents = append(n.agents, p)
	return p, nil
}

// Command is a command that runs where containerd runs, in the node's mount and network
// namespace.
func (n *Node) Command(program string, args ...string) *exec.Cmd { return n.ns.enter(program, args...) }

// CRISocket is where containerd answers the CRI.
func (n *Node) CRISocket() string { return n.socket }

// NRISocket is where containerd listens for NRI plugins: [nri] socket of an agent.
func (n *Node) NRISocket() string { return filepath.Join(n.dir, "nri/nri.sock") }

// Dir is the node's directory, for configuration, state and volumes of a test beside
// containerd's own. It is removed with the node.
func (n *Node) Dir() string { return n.dir }
