// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"testing"
	"time"
)

func TestCluster(t *testing.T) {
	Require(t)
	started := time.Now()
	c, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("ready after", time.Since(started))
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"run", "a", "--image=docker.io/local/probe:1", "--image-pull-policy=Never"},
		{"wait", "pod/a", "--for=condition=Ready", "--timeout=30s"},
		{"exec", "a", "--", "/probe", "id"},
	} {
		out, err := c.Kubectl(ctx, args...)
		t.Log(out)
		if err != nil {
			t.Fatal(err)
		}
	}
}
