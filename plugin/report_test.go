// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"strings"
	"testing"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"
)

// A pod whose request nobody reads is named in the log, though it gets nothing.
func TestNearMissIsLogged(t *testing.T) {
	for key, want := range map[string]string{
		"profile.nodegate.dev":  `the pod's annotation \"profile.nodegate.dev\" asks for nothing: write profiles.nodegate.dev`,
		"example.com/\n\"x\"":   "",
		"nodegate.dev/\n\x1b[2": `the pod's annotation \"nodegate.dev/\\n\\x1b[2\" asks for nothing: write profiles.nodegate.dev`,
	} {
		var out bytes.Buffer
		logger := logrus.New()
		logger.Out = &out
		ctx := log.WithLogger(t.Context(), logrus.NewEntry(logger))
		pod := testPod("")
		pod.Namespace, pod.Annotations = "free", map[string]string{key: "fuse"}
		adjust, _, err := newTestPlugin(t, t.TempDir()).CreateContainer(ctx, pod, testContainer("c"))
		if adjust != nil || err != nil {
			t.Errorf("%q: %v, %v", key, adjust, err)
		}
		text := out.String()
		if want == "" {
			if text != "" {
				t.Errorf("%q: %s", key, text)
			}
			continue
		}
		if !strings.Contains(text, want) || strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=warning") || !strings.Contains(text, "namespace=free") {
			t.Errorf("%q: %s", key, text)
		}
	}
}
