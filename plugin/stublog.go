// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"strings"

	"github.com/containerd/log"
)

// stubLogger hands what NRI's stub says to the agent's log. Its everyday
// messages matter only to who looks for trouble.
type stubLogger struct{}

// uninferred begins what the stub says of a runtime whose NRI version it does not know.
// The agent goes by its own table, and logs which version that says.
const uninferred = "failed to infer runtime NRI version"

func (stubLogger) Debugf(ctx context.Context, format string, args ...any) {
	log.G(ctx).Debugf(format, args...)
}

func (stubLogger) Infof(ctx context.Context, format string, args ...any) {
	log.G(ctx).Debugf(format, args...)
}

func (stubLogger) Warnf(ctx context.Context, format string, args ...any) {
	if strings.HasPrefix(format, uninferred) { // of every runtime that is not containerd
		log.G(ctx).Debugf(format, args...)
		return
	}
	log.G(ctx).Warnf(format, args...)
}

func (stubLogger) Errorf(ctx context.Context, format string, args ...any) {
	log.G(ctx).Errorf(format, args...)
}
