// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/nodegate/nodegate/config"
)

// What the node has of resources is found out once, and not for each of 10,000 pods that
// ask for some.
func TestOffersOnce(t *testing.T) {
	c, err := config.Parse("test.toml", []byte("version = 1\n[profiles.a]\nenv = { A = \"b\" }\n[profiles.a.resource]\nslots = 5000\n"))
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{config: c, options: &explainOptions{runtime: "containerd/2.4.2"}}
	if err := e.openHost(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.host.Close() }()
	if err := e.askRuntime(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, second := e.offers(), e.offers()
	if len(first) != 1 || len(first[0].Units) != 5000 || &first[0] != &second[0] {
		t.Errorf("%d offers, and again %d", len(first), len(second))
	}
}
