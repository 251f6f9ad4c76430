// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/nodegate/nodegate/plugin/change"
	"github.com/nodegate/nodegate/plugin/policy"
)

// rewrite opens every value and writes all of it anew from its parts.
func rewrite(n *value) error {
	kind := n.kind()
	if kind != '{' && kind != '[' {
		return nil
	}
	if err := n.open(kind); err != nil {
		return err
	}
	n.touch()
	for _, k := range n.kids {
		if err := rewrite(k.value); err != nil {
			return err
		}
	}
	return nil
}

func FuzzNodeKeepsEveryByte(f *testing.F) {
	f.Add([]byte(` { "a" : [ 1 , 2.0e-5 , "x\"]}" , {} , [ ] , null ] , "b":{"c":true } } ` + "\n"))
	f.Add([]byte(`{"\u0061":-0,"é":"\\"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := parseDocument("x", data)
		if err != nil {
			return
		}
		if err := rewrite(n); err != nil {
			t.Fatal(err)
		}
		if got := n.bytes(); !bytes.Equal(got, data) {
			t.Errorf("got\n%q\nwant\n%q", got, data)
		}
	})
}

func TestParseDocumentRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":       {"", "is not JSON: unexpected end"},
		"truncated":   {`{"a": [1, 2`, "is not JSON: unexpected end"},
		"text":        {"hello", "is not JSON"},
		"array":       {"[]", "is not a JSON object"},
		"null":        {"null", "is not a JSON object"},
		"trailing":    {`{} {}`, "is not JSON: invalid character '{' after"},
		"deep":        {`{"a":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "}", "nested more than 256 deep"},
		"very deep":   {strings.Repeat(`{"a":`, 5<<20/5), "nested more than 256 deep"},
		"large":       {`{"a":"` + strings.Repeat("x", maxDocument) + `"}`, "bytes are too much"},
		"open string": {`{"a`, "is not JSON"},
	} {
		if _, err := parseDocument("config.json", []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// TestApplyRefusesWhatCanBeReadTwice: runc decodes without regard to case and
// takes the last of two members; another runtime does otherwise.
func TestApplyRefusesWhatCanBeReadTwice(t *testing.T) {
	all := &change.Adjustment{
		Capabilities: change.Capabilities{Add: []string{"CAP_MKNOD"}}, ProcUnmasked: true,
		Sysctls: map[string]string{"net.ipv4.ping_group_range": "0 1"},
		Seccomp: []change.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1}},
	}
	for _, text := range []string{
		`{"process":{},"Process":{}}`,
		`{"proceſſ":{}}`, // the long s is an s to Go
		`{"process":{"capabilities":{},"capabilities":{}}}`,
		`{"process":{"capabilities":{"bounding":[],"Bounding":[]}}}`,
		`{"process":{"user":{"uid":1000,"UID":0}, "capabilities":{}}}`,
		`{"process":{},"linux":{"sysctl":{"net.ipv4.ping_group_range":"0 1","net/ipv4/ping_group_range":"0 2"}}}`,
		`{"process":{},"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"NAMES":["mknod"]}]}}}`,
		`{"process":{},"linux":{"maskedPaths":[],"maskedpaths":["/proc"]}}`,
		`{"process":{},"linuX":{}}`,
	} {
		if got, err := Apply([]byte(text), all); err == nil {
			t.Errorf("%s was taken, and became\n%s", text, got)
		} else if !json.Valid([]byte(text)) {
			t.Errorf("%s is a bad test: it is not JSON", text)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	for part, tc := range map[string]struct {
		config string
		adjust change.Adjustment
	}{
		"has no process":                           {`{}`, change.Adjustment{Env: map[string]string{"a": "b"}}},
		"process is not an object":                 {`{"process":[]}`, change.Adjustment{Env: map[string]string{"a": "b"}}},
		"linux is not an object":                   {`{"linux":"x"}`, change.Adjustment{Sysctls: map[string]string{"a": "b"}}},
		"process.env: a JSON number is not what":   {`{"process":{"env":["a",1]}}`, change.Adjustment{Env: map[string]string{"a": "b"}}},
		"CDI devices vendor.com/x=all":             {`{}`, change.Adjustment{CDIDevices: []string{"vendor.com/x=all"}}},
		"cannot be had by a change of config.json": {`{}`, change.Adjustment{Cgroup: &policy.CgroupDelegation{Path: "/sys/fs/cgroup/x"}}},
		"linux.namespaces: a JSON object is":       {`{"linux":{"namespaces":{}}}`, change.Adjustment{Namespaces: append(change.Adjustment{}.Namespaces, "cgroup")}},
		"nothing mounts the shadow": {`{"mounts":[{"destination":"/dev/kvm","source":"/dev/kvm"}]}`,
			change.Adjustment{ShadowNodes: []change.ShadowNode{{Path: "/s/0", ContainerPath: "/dev/kvm"}}}},
		"the decision was about c 10:232": {`{"linux":{"devices":[{"path":"/dev/kvm","type":"c","major":1,"minor":3}]}}`,
			change.Adjustment{ShadowNodes: []change.ShadowNode{{Path: "/s/0", Type: "c", Major: 10, Minor: 232, ContainerPath: "/dev/kvm"}}}},
	} {
		if got, err := Apply([]byte(tc.config), &tc.adjust); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %s, %v, want %q", tc.config, got, err, part)
		}
	}
}

// FuzzApply opens, applies and saves: the result is JSON, has everything that
// was there, and is the same when applied again.
func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"process":{"user":{"uid":1}},"x":[1]}`), uint16(0xffff))
	f.Add([]byte(`{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["mknod","read"],"action":"SCMP_ACT_ALLOW"}]}}}`), uint16(8))
	f.Add([]byte(`{"mounts":[{"destination":"/run/x"}],"linux":{"devices":[{"path":"/dev/kvm"}],"sysctl":{"net/ipv4/ping_group_range":""}}}`), uint16(0xffff))
	f.Fuzz(func(t *testing.T, config []byte, which uint16) {
		adjustment := someOf(which)
		got, err := Apply(config, adjustment)
		if err != nil {
			return
		}
		again, err := Apply(got, adjustment)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("twice: %v\n%s\n%s", err, got, again)
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(config, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%v:\n%s", err, got)
		}
		for name, text := range before {
			if name != "process" && name != "linux" && name != "mounts" && !reflect.DeepEqual(text, after[name]) {
				t.Errorf("member %q became %s", name, after[name])
			}
		}
	})
}

// someOf returns an adjustment with the parts whose bits are set.
func someOf(which uint16) *change.Adjustment {
	kvm := change.ShadowNode{Path: "/s/0", Type: "c", Major: 10, Minor: 232, ContainerPath: "/dev/kvm"}
	var whole change.Adjustment
	parts := []func(){
		func() {
			whole.Capabilities = change.Capabilities{Add: []string{"CAP_MKNOD"}, Drop: []string{"CAP_KILL"}}
		},
		func() { whole.Env = map[string]string{"a": "b"} },
		func() { whole.Sysctls = map[string]string{"net.ipv4.ping_group_range": "0 1"} },
		func() { whole.Seccomp = []change.SeccompRule{{Syscalls: []string{"mknod"}, Errno: 1}} },
		func() { whole.Seccomp = append(whole.Seccomp, change.SeccompRule{Syscalls: []string{"keyctl"}}) },
		func() { whole.ProcUnmasked = true },
		func() { whole.AppArmor = "unconfined" },
		func() { whole.Mounts = append(whole.Mounts, mountOf("/run", "tmpfs"), mountOf("/dev/kvm", "/s/0")) },
		func() { whole.ShadowNodes = []change.ShadowNode{kvm} },
		func() { whole.AdoptDevices = []string{"/dev/kvm"} },
		func() { whole.Devices = []change.Device{deviceOf("/dev/tun", "r")} },
		func() {
			whole.DeviceRules = cgroupRules(&change.Adjustment{Devices: []change.Device{deviceOf("/x", "w")}})
		},
	}
	for i, part := range parts {
		if which&(1<<i) != 0 {
			part()
		}
	}
	return &whole
}
