// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy holds the files that go onto a node, as they lie beside it.
package deploy

import _ "embed" // the files

var (
	//go:embed nodegate.service
	unit []byte
	//go:embed runc.toml
	wrapper []byte
	//go:embed config.toml
	policy []byte
	//go:embed nodegate-mounts
	appArmor []byte
	//go:embed chart/files/requests.yaml
	requests []byte
)

// Unit is the agent's systemd unit.
func Unit() []byte { return unit }

// Wrapper is the configuration of nodegate-runc, runc.toml.
func Wrapper() []byte { return wrapper }

// Policy is a policy that grants nothing, to begin with.
func Policy() []byte { return policy }

// AppArmor is the AppArmor profile nodegate-mounts.
func AppArmor() []byte { return appArmor }

// Requests is a text/template: the admission policy that refuses what the agent would.
func Requests() []byte { return requests }
