// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package tomledit

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

var wants = []Want{
	{[]string{"plugins", "io.nri", "disable"}, false},
	{[]string{"plugins", "io.nri", "validator", "enable"}, true},
	{[]string{"plugins", "io.cri", "runtimes", "gate", "type"}, "runc"},
	{[]string{"plugins", "io.cri", "runtimes", "gate", "options", "Binary"}, `/opt/"x"`},
	{[]string{"plugins", "io.cri", "default"}, "gate"},
}

func TestSet(t *testing.T) {
	const added = `[plugins."io.cri".runtimes.gate]
  type = "runc"
[plugins."io.cri".runtimes.gate.options]
  Binary = "/opt/\"x\""
`
	const marked = begin + "\n" + added + end + "\n"
	for _, tc := range []struct{ name, src, want string }{
		{"values in place, comments kept", "version = 2 # two\n\n[plugins]\n  [plugins.\"io.nri\"] # off\n    disable = true # not needed\n    x = 1\n" +
			"  [plugins.\"io.nri\".validator]\n[plugins.\"io.cri\"]\ndefault = \"runc\"",
			"version = 2 # two\n\n[plugins]\n  [plugins.\"io.nri\"] # off\n    disable = false # nodegate install; was: disable = true # not needed\n    x = 1\n" +
				"  [plugins.\"io.nri\".validator]\n    enable = true # nodegate install\n[plugins.\"io.cri\"]\ndefault = \"gate\" # nodegate install; was: default = \"runc\"\n\n" + marked},
		{"a heading at the very end", "[plugins.\"io.nri\".validator]\nenable = true\n[plugins.\"io.cri\"]\ndefault=\"gate\"\n[plugins.\"io.nri\"]",
			"[plugins.\"io.nri\".validator]\nenable = true\n[plugins.\"io.cri\"]\ndefault=\"gate\"\n[plugins.\"io.nri\"]\n  disable = false # nodegate install\n\n" + marked},
		{"dotted keys", "plugins.\"io.nri\".disable = true\r\nplugins.\"io.nri\".validator.enable = true\r\n[plugins.\"io.cri\"]\r\ndefault = \"gate\"\r\n",
			"plugins.\"io.nri\".disable = false # nodegate install; was: plugins.\"io.nri\".disable = true\r\nplugins.\"io.nri\".validator.enable = true\r\n[plugins.\"io.cri\"]\r\ndefault = \"gate\"\r\n" +
				"\r\n" + strings.ReplaceAll(marked, "\n", "\r\n")},
		{"text that looks like keys", "a = \"\"\"\n[plugins.\"io.nri\"]\ndisable = true\n\"\"\"\n",
			"a = \"\"\"\n[plugins.\"io.nri\"]\ndisable = true\n\"\"\"\n\n" + Block(wants)},
		{"nothing", "", "\n" + Block(wants)},
	} {
		edits, err := Set([]byte(tc.src), wants)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got := string(Apply([]byte(tc.src), edits))
		if got != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.name, got, tc.want)
		}
		if back, err := Undo([]byte(got), edits, wants); err != nil || string(back) != tc.src {
			t.Errorf("%s: taken back: %v\n%s", tc.name, err, back)
		}
		if again, err := Set([]byte(got), wants); err != nil || len(again) > 0 {
			t.Errorf("%s: again: %v %v", tc.name, err, again)
		}
	}
}

func TestSetRefuses(t *testing.T) {
	for _, tc := range []struct {
		src, want string
		byHand    bool
	}{
		{"plugins = { \"io.nri\" = { disable = true } }", `plugins."io.nri".disable is not on a line of its own`, true},
		{"[plugins.\"io.nri\"]\ndisable = [\n]", "is not on a line of its own", true},
		{"[plugins]\n\"io.nri\".socket = \"x\"", "without a change to the rest", true},
		{"[[plugins]]\n", "without a change to the rest", true},
		{"plugins = 1", "without a change to the rest", true},
		{"[plugins", "line 1 is not TOML", false},
		{"a = 1\na = 2", "line 2 is not TOML", false},
		{"a = \"\xff\"", "not UTF-8", false},
		{"# " + end + "\n" + begin + "\n[plugins.\"io.nri\"]\ndisable = 0\n", "", false},
	} {
		_, err := Set([]byte(tc.src), wants)
		if tc.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tc.src, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, ErrByHand) != tc.byHand {
			t.Errorf("%q: %v", tc.src, err)
		}
	}
}

// What others wrote since stays, and what they wrote into ours is not lost.
func TestUndoAfterOthers(t *testing.T) {
	const src = "# mine\n[plugins.\"io.nri\"]\ndisable = true\n"
	edits, err := Set([]byte(src), wants)
	if err != nil {
		t.Fatal(err)
	}
	text := string(Apply([]byte(src), edits))
	for _, tc := range []struct{ name, text, want string }{
		{"before and after", "a = 1\n" + text + "[b]\nc = 2\n", "a = 1\n" + src + "[b]\nc = 2\n"},
		{"in our block", strings.Replace(text, "type = ", "more = 1\ntype = ", 1), ""},
		{"in our line", strings.Replace(text, "disable = false", "disable = true", 1), ""},
		{"a key of our last table", text + "default2 = 1\n", ""},
		{"no TOML", text + "[", ""},
	} {
		back, err := Undo([]byte(tc.text), edits, wants)
		if string(back) != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s: %v\n%s", tc.name, err, back)
		}
	}
}

// Whatever the document: the edit is refused, or it changes the wanted keys alone and
// can be taken back byte for byte.
func FuzzSet(f *testing.F) {
	for _, src := range []string{
		"", "version = 2\n[plugins]\n[plugins.\"io.nri\"]\ndisable = true # x\n", "[plugins.\"io.cri\".runtimes]\n[plugins.'io.cri']\r\ndefault='runc'",
		"plugins.'io.cri'.default = '''x'''\n", "plugins = {a = 1}\n", "[[a.b]]\n[a.b.c]\n[[plugins]]\n", "[plugins.'io.nri'.validator]\nenable=0x1\n",
		begin + "\n" + end + "\n", "x = [ # c\n1,\n]\n[plugins.'io.nri'] # t",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		edits, err := Set(src, wants)
		if err != nil {
			return
		}
		result := Apply(src, edits)
		before, err1 := Parse(src)
		after, err2 := Parse(result)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if missing := Missing(after, wants); len(missing) > 0 {
			t.Fatalf("missing %v in\n%s", missing, result)
		}
		if flat := flatten(before, after); !reflect.DeepEqual(flat[0], flat[1]) {
			t.Fatalf("%v\nbecame\n%v", flat[0], flat[1])
		}
		if back, err := Undo(result, edits, wants); err != nil || string(back) != string(src) {
			t.Fatalf("taken back: %v\n%q\n%q", err, back, src)
		}
	})
}

// flatten lists the values of documents by their full names, without the wanted ones.
func flatten(docs ...map[string]any) []map[string]any {
	var all []map[string]any
	for _, doc := range docs {
		flat := map[string]any{}
		var walk func(path string, v any)
		walk = func(path string, v any) {
			if t, ok := v.(map[string]any); ok {
				for k, inner := range t {
					walk(path+"\x00"+k, inner)
				}
				return
			}
			flat[path] = v
		}
		walk("", doc)
		for _, w := range wants {
			delete(flat, "\x00"+strings.Join(w.Key, "\x00"))
		}
		all = append(all, flat)
	}
	return all
}
