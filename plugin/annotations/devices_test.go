// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package annotations

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nodegate/nodegate/plugin/policy"
)

func TestReadDevices(t *testing.T) {
	path := func(paths ...string) (list []policy.RequestedDevice) {
		for _, p := range paths {
			list = append(list, policy.RequestedDevice{Path: p})
		}
		return list
	}
	whole := policy.RequestedDevice{Path: "/dev/sda", Type: "b", Major: policy.Is[int64](8), Minor: policy.Is[int64](0),
		Mode: policy.Is(fs.FileMode(0o640)), UID: policy.Is[uint32](1000), GID: policy.Is[uint32](0)}
	for _, tc := range []struct {
		name, text string
		want       []policy.RequestedDevice
		err        string
	}{
		{name: "nothing"},
		{name: "space", text: " \n\n"},
		{name: "a comment alone", text: "# none\n"},
		{name: "null", text: "null"},
		{name: "an empty list", text: "[]"},
		{name: "paths", text: "- path: /dev/nvidia0\n- path: /dev/nvidiactl\n\n", want: path("/dev/nvidia0", "/dev/nvidiactl")},
		{name: "whole", text: "- path: /dev/sda\n  type: b\n  major: 8\n  minor: 0\n  file_mode: 0640\n  uid: 1000\n  gid: 0\n", want: []policy.RequestedDevice{whole}},
		{name: "keys in any case", text: "- Path: /dev/sda\n  Type: b\n  major: 8\n  minor: 0\n  File_Mode: 0o640\n  UID: 1000\n  Gid: 0x0\n", want: []policy.RequestedDevice{whole}},
		{name: "JSON", text: `[{"path": "/dev/sda", "type": "b", "major": 8, "minor": 0, "file_mode": 416, "uid": 1000, "gid": 0}]`, want: []policy.RequestedDevice{whole}},
		{name: "a document with its marker", text: "---\n- path: /dev/fuse\n", want: path("/dev/fuse")},
		{name: "what the path is, is not judged here", text: `- path: "../etc\n"`, want: path("../etc\n")},
		{name: "twice", text: "- path: /a\n- path: /a\n", want: path("/a", "/a")},

		{name: "a text", text: "/dev/fuse", err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "a mapping", text: "path: /dev/fuse", err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "a list of texts", text: "- /dev/fuse", err: `line 1: write a YAML list as in "- path: /dev/fuse"`},
		{name: "no YAML", text: "- path: [", err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "a tab", text: "-\tpath: /a\n\t- b", err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "no UTF-8", text: "- path: \xff", err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "NUL", text: "- path: /dev/fuse\x00", err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "too long", text: strings.Repeat(" ", maxText+1), err: `write a YAML list as in "- path: /dev/fuse"`},
		{name: "no path", text: "- type: c", err: "line 1: a device has no path: write one, as in path: /dev/fuse"},
		{name: "an empty device", text: "- {}", err: "line 1: a device has no path: write one, as in path: /dev/fuse"},
		{name: "a path that is a number", text: "- path: 10", err: "line 1: path is not text: write it as in path: /dev/fuse"},
		{name: "a path that is a list", text: "- path: [/dev/fuse]", err: "line 1: path is not text: write it as in path: /dev/fuse"},
		{name: "a type that is none", text: "- path: /a\n  type: p", err: `line 1: type is "p": write c for a character device, b for a block device`},
		{name: "a key that is none", text: "- path: /a\n- path: /b\n  access: rwm", err: `line 2: "access" is not a key of a device: write path, type, major, minor, file_mode, uid, gid`},
		{name: "a key twice", text: "- path: /a\n  path: /b", err: `line 1: "path" is written twice: keep one`},
		{name: "a key twice, in two cases", text: "- path: /a\n  Path: /b", err: `line 1: "path" is written twice: keep one`},
		{name: "a number in quotes", text: `- {path: /a, major: "10"}`, err: `line 1: major is "10": write a whole number from 0 to 2147483647`},
		{name: "a negative number", text: `- {path: /a, minor: -1}`, err: `line 1: minor is "-1": write a whole number from 0 to 2147483647`},
		{name: "a fraction", text: `- {path: /a, uid: 1.5}`, err: `line 1: uid is "1.5": write a whole number from 0 to 4294967294`},
		{name: "no id", text: `- {path: /a, gid: 4294967295}`, err: `line 1: gid is "4294967295": write a whole number from 0 to 4294967294`},
		{name: "a huge number", text: `- {path: /a, gid: 99999999999999999999999}`, err: `line 1: gid is "99999999999999999999999": write a whole number from 0 to 4294967294`},
		{name: "more than a mode", text: `- {path: /a, file_mode: 0100777}`, err: `line 1: file_mode is "0100777": write a whole number from 0 to 4095`},

		{name: "an alias", text: "- &a {path: /a}\n- *a", err: "line 1: it has an anchor or an alias: write each device out"},
		{name: "an anchor in a value", text: "- path: &a /dev/fuse", err: "line 1: it has an anchor or an alias: write each device out"},
		{name: "a merge key", text: "- path: /a\n  <<: {type: c}", err: "line 1: it has a merge key: write each device out"},
		{name: "a tag", text: "- path: !!str 10", err: `line 1: it has the tag "!!str": leave it out`},
		{name: "a tag of one's own", text: "- !device {path: /a}", err: `line 1: it has the tag "!device": leave it out`},
		{name: "a second document", text: "- path: /a\n---\n- path: /b\n", err: "it has more than one document: write one list"},
		{name: "a second document that is none", text: "- path: /a\n---\n{", err: "it has more than one document: write one list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := YAML{}.ReadDevices(tc.text)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.HasSuffix(err.Error(), tc.err)) {
				t.Fatalf("got %v, want %s", err, tc.err)
			}
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Another tool's annotation holds a bomb of aliases, or a nest as deep as the text
// allows. Reading it ends at once.
func TestAttackYAML(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	for name, text := range map[string]string{
		"aliases": bomb,
		"lists":   strings.Repeat("[", maxText),
		"closed":  strings.Repeat("[", maxText/2) + strings.Repeat("]", maxText/2),
		"maps":    strings.Repeat("{a: ", maxText/4),
		"dashes":  strings.Repeat("- ", maxText/2),
		"itself":  "- &a\n  path: *a\n",
		"merged":  "- &a {path: /dev/fuse}\n- <<: *a\n  <<: *a\n  path: /dev/kvm\n",
		"tags":    "- path: !!binary L2Rldi9rdm0=\n",
		"objects": "- !!python/object/apply:os.system ['id']\n",
		"keys":    "- {path: /dev/fuse, path: /dev/kvm}\n",
		"numbers": "- path: /dev/fuse\n  major: 1e400\n",
		"second":  "- path: /dev/fuse\n---\n- path: /dev/kvm\n",
		"large":   "# " + strings.Repeat("x", maxText),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			got, err := (YAML{}).ReadDevices(text)
			if err == nil || got != nil || len(err.Error()) > 400 {
				t.Errorf("got %v, %v", got, err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// FuzzReadDevices feeds what a pod's author writes: no panic, and devices that the
// text names, or one printable sentence.
func FuzzReadDevices(f *testing.F) {
	for _, text := range []string{"- path: /dev/fuse\n  type: c\n  major: 10\n  minor: 229\n  file_mode: 0666\n  uid: 0\n  gid: 0\n",
		`[{"path": "/dev/fuse"}]`, "- &a {path: /a}\n- *a", "- path: |+\n    /dev/fuse\n", "- path: !!str 10", "- path: /a\n---\n", "\xef\xbb\xbf- path: /a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		start := time.Now()
		devices, err := YAML{}.ReadDevices(text)
		if took := time.Since(start); took > time.Second && len(text) <= 4096 {
			t.Fatalf("took %s", took)
		}
		again, errAgain := YAML{}.ReadDevices(text)
		if !reflect.DeepEqual(devices, again) || (err == nil) != (errAgain == nil) {
			t.Fatalf("%v %v, then %v %v", devices, err, again, errAgain)
		}
		if err != nil {
			if devices != nil || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\n\r\x00") || len(err.Error()) > 400 {
				t.Fatalf("%v came with %q", devices, err)
			}
			return
		}
		if len(devices) > len(text) {
			t.Fatalf("%d devices of %q", len(devices), text)
		}
	})
}
