// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"github.com/containerd/nri/pkg/api"
)

// That the stub does not know a runtime's NRI is no warning: the agent goes by its own table.
func TestStubLogger(t *testing.T) {
	_, err := api.InferVersionFromRuntime("cri-o", "1.36.3")
	if err == nil {
		t.Fatal("NRI knows CRI-O now: the special case can go")
	}
	var out bytes.Buffer
	logger := logrus.New()
	logger.SetOutput(&out)
	ctx := log.WithLogger(context.Background(), logrus.NewEntry(logger))
	stubLogger{}.Warnf(ctx, "failed to infer runtime NRI version: %v", err)
	if out.Len() > 0 {
		t.Errorf("logged %s", &out)
	}
	stubLogger{}.Warnf(ctx, "other: %v", err)
	if !strings.Contains(out.String(), "level=warning") {
		t.Errorf("logged %s", &out)
	}
}
