// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package event

import (
	"context"

	"github.com/containerd/log"
)

// Log writes an event to the agent's log.
func Log(ctx context.Context, o *Event) {
	l := log.G(ctx).WithFields(log.Fields{"namespace": o.Namespace, "pod": o.Pod, "container": o.Container})
	done, refused := "adjusted", ""
	if o.Audit {
		l, done, refused = l.WithField("audit", true), "would be adjusted", "would be refused: "
	}
	for _, r := range o.Reasons {
		level := log.DebugLevel
		if r.Code.Warns() {
			level = log.WarnLevel
		}
		if l.Logger.IsLevelEnabled(level) { // every container has some that only a debug log shows
			l.WithFields(log.Fields{"reason": r.Code, "profile": r.Profile}).Log(level, r.Text)
		}
	}
	switch o.Result {
	case Refused:
		l.WithField("reason", o.Code).Warn(refused + o.Text)
	case Outdated:
		l.WithFields(log.Fields{"reason": o.Code, "id": o.ContainerID}).Warn(o.Text)
	case Adjusted:
		l.WithField("profiles", o.Profiles).Info("container " + done)
	}
}
