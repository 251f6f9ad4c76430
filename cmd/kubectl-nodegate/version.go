// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nodegate/nodegate/cmd/kubectl-nodegate/internal/fleet"
)

// ofOtherVersion words the error of an agent that does not know a command or a flag of
// this program: it is of another version. Any other error stays as it is.
func (a *agents) ofOtherVersion(ctx context.Context, n *fleet.Node, err error) error {
	exit := (*fleet.ExitError)(nil)
	if !errors.As(err, &exit) || exit.Code != exitUsage {
		return err
	}
	its := "another version"
	if out, err := a.exec.Run(ctx, n.Agent, nil, "version"); err == nil && len(out) > 0 {
		its, _, _ = strings.Cut(strings.TrimPrefix(string(out), "nodegate "), "\n")
	}
	return fmt.Errorf("its agent is of %s and does not know what this program, of version %s, asks of it: have both of one version (%w)", its, version, err)
}
