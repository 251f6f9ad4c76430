// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"io"
	"time"
)

// Options say which machine to start. The zero value is Trixie from its saved state.
type Options struct {
	System System // default: Trixie

	// Boot boots the machine although there is a saved state.
	Boot bool

	// Beside puts the machine on one network with another one that runs: see Machine.Join.
	Beside *Machine

	// Internet lets the machine reach what this machine reaches. Without, its only network
	// is that of Beside.
	Internet bool

	// KernelArgs are added to the kernel's command line. They ask for a boot.
	KernelArgs []string

	// Memory is in MiB. Another size than the default, 2048, asks for a boot.
	Memory int

	// Patience is how long the machine may take to come up. Default: DefaultPatience.
	Patience time.Duration

	// Log is told what is made and how long it takes. Default: nothing is told.
	Log io.Writer

	// to save: the machine's disk is this file, and what it writes stays.
	disk string
	// the saved state's folder.
	state string
}

func (o Options) withDefaults() Options {
	if o.System.Name == "" {
		o.System = Trixie
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if len(o.KernelArgs) > 0 || o.Memory != defaultMemory || o.Internet {
		o.Boot = true
	}
	return o
}

const defaultMemory = 2048
