// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Kubectl runs kubectl as the cluster's administrator and returns what it prints; its
// error has what it prints as an error.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.client(ctx, "", c.options.kubernetes(), append([]string{"kubectl"}, args...)...)
}

// Apply makes objects of a manifest, or changes them.
func (c *Cluster) Apply(ctx context.Context, manifest string) (string, error) {
	return c.KubectlWith(ctx, manifest, "apply", "-f", "-")
}

// KubectlWith is Kubectl with something to read.
func (c *Cluster) KubectlWith(ctx context.Context, stdin string, args ...string) (string, error) {
	return c.client(ctx, stdin, c.options.kubernetes(), append([]string{"kubectl"}, args...)...)
}

// Helm runs Helm as the cluster's administrator. Paths are those of this machine.
func (c *Cluster) Helm(ctx context.Context, args ...string) (string, error) {
	return c.client(ctx, "", filepath.Join(c.options.BinDir, "helm"), args...)
}

// client runs a client of the API where the API is: in the node's network, with this
// machine's files.
func (c *Cluster) client(ctx context.Context, stdin, program string, args ...string) (string, error) {
	all := append([]string{"--target", strconv.Itoa(c.machine.pid), "--net", "--",
		"env", "PATH=" + c.options.BinDir + ":" + os.Getenv("PATH"), // plugins of kubectl
		"KUBECONFIG=" + c.machine.path("/etc/kubernetes/admin.conf"), "HOME=" + c.dir,
		program}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", all...)
	var out, bad bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &bad
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(bad.String()))
	}
	return out.String(), nil
}
