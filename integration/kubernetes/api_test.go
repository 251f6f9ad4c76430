// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"sync"
	"testing"

	"github.com/nodegate/nodegate/integration/cluster"
)

// api is a cluster without a node. It says whether an object is one and what admission
// does to it, and pods stay as they were made.
type api struct{ *cluster.Cluster }

var sharedAPI struct {
	sync.Mutex
	cluster *cluster.Cluster
}

// objects returns the API that all tests share which run no pods.
func objects(t *testing.T) *api {
	t.Helper()
	cluster.Require(t)
	sharedAPI.Lock()
	defer sharedAPI.Unlock()
	if sharedAPI.cluster == nil {
		c, err := cluster.Start(t.Context(), cluster.Options{NoNode: true})
		if err != nil {
			t.Fatal(err)
		}
		sharedAPI.cluster = c
	}
	return &api{sharedAPI.cluster}
}

func (c *api) kubectl(t *testing.T, stdin string, args ...string) (string, error) {
	return c.KubectlWith(t.Context(), stdin, args...)
}

func (c *api) helm(t *testing.T, args ...string) (string, error) { return c.Helm(t.Context(), args...) }

// namespace makes one, with labels and the account that pods want. It stays: without a
// node its pods would be slow to go.
func (c *api) namespace(t *testing.T, name string, labels ...string) {
	t.Helper()
	(&kube{T: t, Cluster: c.Cluster}).makeNamespace(name, labels...)
}

// install puts the chart into a namespace of its own, and takes it off after the test.
func (c *api) install(t *testing.T, namespace string, args ...string) {
	t.Helper()
	k := &kube{T: t, Cluster: c.Cluster}
	k.makeNamespace(namespace)
	k.helm(append([]string{"install", "nodegate", chart, "--namespace", namespace}, args...)...)
	t.Cleanup(func() { // the test's own context has ended by then
		if _, err := c.Helm(context.Background(), "uninstall", "nodegate", "--namespace", namespace, "--no-hooks"); err != nil {
			t.Error(err)
		}
	})
}
