// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/nodegate/nodegate/plugin/policy"
)

// Config is a policy as it was read, complete and checked.
type Config struct {
	Policy *policy.Policy

	NRI     NRI
	Runtime Runtime
	State   State
	Kubelet Kubelet
	Log     Log
	Server  Server

	Profiles []Profile      // the built-in ones first, then as written
	Grants   []policy.Grant // as written, file after file

	Hash  string   // of the files' contents: 12 hexadecimal digits, for logs
	Files []string // that were read, in the order in which they apply

	places places
}

// Forget drops what was written and where, once the lints have seen it: what is in
// force is the policy.
func (c *Config) Forget() { c.Profiles, c.Grants, c.places = nil, nil, places{} }

// NRI is where the runtime listens for plugins, and the two digits by which
// it orders them.
type NRI struct{ Socket, Index string }

// Runtime names the runtime handlers whose OCI runtime is nodegate-runc; ""
// is the runtime's default handler.
type Runtime struct{ Handlers []string }

// State is where the agent keeps what outlives it. All are absolute paths;
// HostRoot is where the host's files appear to the agent; ShadowDir is one of
// the host's own paths, and Dir is the agent's.
type State struct{ Dir, ShadowDir, HostRoot string }

// Kubelet is where the kubelet listens for device plugins, a path of the agent's; "" for
// nowhere, and no profile is a resource then.
type Kubelet struct{ PluginDir string }

// Log is the least level that is logged ("debug", "info", "warn", "error")
// and the format ("text", "json").
//
// Audit is where a line of JSON goes for each decision: "" for nowhere,
// "stderr", or the absolute path of a file.
type Log struct{ Level, Format, Audit string }

// Server is where the agent answers: addresses "unix:///path" or "tcp://host:port",
// each once; none for nowhere.
type Server struct{ Listen []string }

// Profile is a profile and where it comes from.
type Profile struct {
	policy.Profile
	BuiltIn bool   // not overridden by the policy
	Source  string // file:line
}

// Load reads the policy at path and then the drop-ins beside it,
// conf.d/*.toml in lexical order. What is wrong with their content is returned
// as [Errors].
func Load(path string) (*Config, error) {
	files, err := readFiles(path)
	if err != nil {
		return nil, err
	}
	return read(files)
}

// LoadWith reads what Load would if a further drop-in, the last one, had this text.
func LoadWith(path, name string, data []byte) (*Config, error) {
	files, err := readFiles(path)
	if err != nil {
		return nil, err
	}
	return read(append(files, file{name, data}))
}

// LoadInstead reads what Load would if the main file at path had this text: the drop-ins
// beside it stay.
func LoadInstead(path, name string, data []byte) (*Config, error) {
	files, err := readFiles(path)
	if err != nil {
		return nil, err
	}
	files[0] = file{name, data}
	return read(files)
}

// Listen returns where an agent of the policy at path listens, as far as can be
// read: a policy with errors is a good reason to ask the agent.
func Listen(path string) []string {
	b := newBuilder()
	files, _ := readFiles(path) // without files there is the default
	for i, f := range files {
		b.add(f, i == 0)
	}
	_, _ = b.build()
	return b.config.Server.Listen
}

// Parse reads a policy of one text, such as NRI hands to a plugin that the
// runtime launches. The name stands for the file in errors.
func Parse(name string, data []byte) (*Config, error) {
	return read([]file{{name: name, data: data}})
}

func read(files []file) (*Config, error) {
	b := newBuilder()
	b.config.Hash = hashOf(files)
	for i, f := range files {
		b.add(f, i == 0)
	}
	c, err := b.build()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		c.Files = append(c.Files, f.name)
	}
	return c, nil
}

// hashOf depends on contents and their order alone: the same policy has the
// same hash on every node, wherever it lies.
func hashOf(files []file) string {
	sum := sha256.New()
	for _, f := range files {
		sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f.data))))
		sum.Write(f.data)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func defaults() Config {
	return Config{
		NRI:     NRI{Socket: "/var/run/nri/nri.sock", Index: "90"},
		Runtime: Runtime{Handlers: []string{"nodegate"}},
		State:   State{Dir: "/run/nodegate", ShadowDir: "/dev/.udev/nodegate", HostRoot: "/"},
		Kubelet: Kubelet{PluginDir: "/var/lib/kubelet/device-plugins"},
		Log:     Log{Level: "info", Format: "text"},
		Server:  Server{Listen: []string{"unix:///run/nodegate/nodegate.sock"}},
	}
}
