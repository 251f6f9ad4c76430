// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"

	"github.com/containerd/log"
)

// stubLogger hands what NRI's stub says to the agent's log. Its everyday
// messages matter only to who looks for trouble.
type stubLogger struct{}

func (stubLogger) Debugf(ctx context.Context, format string, args ...any) {
	log.G(ctx).Debugf(format, args...)
}

func (stubLogger) Infof(ctx context.Context, format string, args ...any) {
	log.G(ctx).Debugf(format, args...)
}

func (stubLogger) Warnf(ctx context.Context, format string, args ...any) {
	log.G(ctx).Warnf(format, args...)
}

func (stubLogger) Errorf(ctx context.Context, format string, args ...any) {
	log.G(ctx).Errorf(format, args...)
}
