// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched starts a watch and returns a check that the next change is, or is
// not, reported exactly once.
func watched(t *testing.T, path string) (expect func(what string, reported bool)) {
	t.Helper()
	calls := make(chan struct{}, 16)
	if err := Watch(t.Context(), path, func() { calls <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	return func(what string, reported bool) {
		t.Helper()
		wait := 3 * settle
		if reported {
			wait = 10 * time.Second
		}
		select {
		case <-calls:
			if !reported {
				t.Fatalf("%s: reported", what)
			}
		case <-time.After(wait):
			if reported {
				t.Fatalf("%s: not reported", what)
			}
			return
		}
		select {
		case <-calls:
			t.Fatalf("%s: reported twice", what)
		case <-time.After(2 * settle):
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main := filepath.Join(dir, "config.toml")
	put(t, main, "version = 1\n")
	expect := watched(t, main)

	put(t, main, "version = 1\nmode = \"audit\"\n")
	expect("main file written", true)
	put(t, main, "version = 1\nmode = \"audit\"\n")
	expect("main file written with the same content", false)

	put(t, filepath.Join(dir, ".new"), "version = 1\n")
	expect("another file beside it", false)
	must(t, os.Rename(filepath.Join(dir, ".new"), main))
	expect("main file replaced by rename", true)
	put(t, main, "version = 1 # again\n")
	expect("replaced file written", true)

	must(t, os.Remove(main))
	expect("main file removed", true)
	put(t, main, "version = 1\n")
	expect("main file is back", true)

	for i := range 5 { // at once: on a busy machine any pause may be longer than settle
		put(t, main, "version = 1\n# "+string(rune('a'+i))+"\n")
	}
	expect("several writes in a row", true)
}

func TestWatchDropIns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main, drop := filepath.Join(dir, "config.toml"), filepath.Join(dir, "conf.d", "10-a.toml")
	put(t, main, "version = 1\n")
	expect := watched(t, main)

	put(t, drop, "mode = \"audit\"\n")
	expect("conf.d appears with a drop-in", true)
	put(t, drop, "mode = \"enforce\"\n")
	expect("drop-in written", true)
	put(t, filepath.Join(dir, "conf.d", "README"), "")
	put(t, filepath.Join(dir, "conf.d", ".10-a.toml.swp"), "")
	expect("files that are no drop-ins", false)
	must(t, os.Remove(drop))
	expect("drop-in removed", true)

	must(t, os.RemoveAll(filepath.Join(dir, "conf.d")))
	put(t, drop, "mode = \"audit\"\n")
	expect("conf.d made anew", true)
	put(t, drop, "mode = \"enforce\"\n")
	expect("drop-in in the new conf.d written", true)
}

// TestWatchConfigMap changes files as the kubelet does: a new directory, and
// the link ..data put in the place of the old one by rename.
func TestWatchConfigMap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	swap := func(dir, version, name, text string) {
		t.Helper()
		put(t, filepath.Join(dir, version, name), text)
		must(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	swap(dir, "..1", "config.toml", "version = 1\n")
	must(t, os.Symlink("..data/config.toml", filepath.Join(dir, "config.toml")))
	drops := filepath.Join(dir, "conf.d")
	swap(drops, "..1", "a.toml", "mode = \"audit\"\n")
	must(t, os.Symlink("..data/a.toml", filepath.Join(drops, "a.toml")))

	main := filepath.Join(dir, "config.toml")
	expect := watched(t, main)
	for _, version := range []string{"..2", "..3"} {
		swap(dir, version, "config.toml", "version = 1\n# "+version+"\n")
		expect("ConfigMap of the main file, "+version, true)
		swap(drops, version, "a.toml", "mode = \"audit\"\n# "+version+"\n")
		expect("ConfigMap of the drop-ins, "+version, true)
	}
	must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	expect("the old directory removed", false)
	c, err := Load(main)
	must(t, err)
	if len(c.Files) != 2 || !c.Policy.Audit() {
		t.Errorf("read %q", c.Files)
	}
}

// TestWatchLink has the main file elsewhere, behind a link that is replaced.
func TestWatchLink(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	a, b := filepath.Join(elsewhere, "a", "x.toml"), filepath.Join(elsewhere, "b", "x.toml")
	put(t, a, "version = 1\n")
	put(t, b, "version = 1\n# b\n")
	main := filepath.Join(dir, "config.toml")
	must(t, os.Symlink(a, main))
	expect := watched(t, main)
	put(t, a, "version = 1\n# a\n")
	expect("what the link leads to", true)
	must(t, os.Symlink(b, main+".new"))
	must(t, os.Rename(main+".new", main))
	expect("the link itself", true)
	put(t, a, "version = 1\n# a again\n")
	expect("what it led to before", false)
	put(t, b, "version = 1\n# b again\n")
	expect("what it leads to now", true)
}

// TestWatchMisfits has files in between that a plain read would wait for.
func TestWatchMisfits(t *testing.T) {
	t.Parallel()
	for what, misfit := range map[string]func(*testing.T, string){"a FIFO": fifo, "/dev/zero": linkTo("/dev/zero")} {
		for _, name := range []string{"config.toml", "conf.d/a.toml"} {
			t.Run(what+" as "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				main, name := filepath.Join(dir, "config.toml"), filepath.Join(dir, name)
				put(t, main, "version = 1\n")
				put(t, name, "version = 1\n")
				expect := watched(t, main)
				misfit(t, name+".new")
				must(t, os.Rename(name+".new", name))
				expect(what, true)
				put(t, name+".new", "version = 1\n")
				must(t, os.Rename(name+".new", name))
				expect("a good file afterwards", true)
			})
		}
	}
}

func TestWatchNothing(t *testing.T) {
	if err := Watch(t.Context(), filepath.Join(t.TempDir(), "no", "config.toml"), func() {}); err == nil {
		t.Error("no error")
	}
}

func put(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(text), 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
