// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

// A new member of Adjustment that does not come back would be half of an
// adjustment; this test has to use it too.
func TestFullRecordUsesEveryMember(t *testing.T) {
	for _, v := range []reflect.Value{reflect.ValueOf(full(t, "abc")), reflect.ValueOf(full(t, "abc").Adjustment)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s.%s is not used", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
}

func TestEncodeAndDecode(t *testing.T) {
	empty, err := New()
	must(t, err)
	empty.ContainerID = "abc"
	for _, r := range []Record{full(t, "abc"), empty} {
		data, err := r.encode()
		must(t, err)
		got, err := decode(data)
		must(t, err)
		if !reflect.DeepEqual(got, r) {
			t.Errorf("\n got %+v\nwant %+v", got, r)
		}
	}
	data, _ := empty.encode()
	if strings.Contains(string(data), "adjustment") {
		t.Errorf("nothing is something: %s", data)
	}
	if other, _ := New(); other.Nonce == empty.Nonce || len(other.Nonce) != 32 {
		t.Errorf("nonces %q and %q", other.Nonce, empty.Nonce)
	}
}

// former is a record as format 1 had it.
const former = `{"version":1,"containerId":"abc","podId":"pod-1","namespace":"iot-a","pod":"gw-0","container":"main",` +
	`"nonce":"000102030405060708090a0b0c0d0e0f","profiles":["modem"],"definitions":["01"],` +
	`"sysctls":{"net.ipv4.ping_group_range":"0 65535"},"adjustment":{"devices":[{"access":"rw","path":"/dev/kvm","type":"c","major":10,"minor":232}]}}`

// An agent or a wrapper beside one of another release, older or newer, says so and takes
// nothing of its record, while records of its own format are read.
func TestOtherReleases(t *testing.T) {
	s := newStore(t)
	must(t, s.Write(full(t, "own")))
	newer := strings.NewReplacer(`"version":1`, `"version":3`, `"abc"`, `"newer"`, `"sysctls"`, `"unheard"`).Replace(former)
	for id, text := range map[string]string{"abc": former, "newer": newer} {
		must(t, os.WriteFile(s.Path(id), []byte(text), 0o600))
		r, err := s.Read(id)
		wantError(t, err, "is not 2: another release of nodegate wrote it")
		if !reflect.DeepEqual(r, Record{}) {
			t.Errorf("a record beside the error: %+v", r)
		}
	}
	all, err := s.List()
	wantError(t, err, "version 1 is not 2")
	wantError(t, err, "version 3 is not 2")
	if len(all) != 1 || all[0].ContainerID != "own" {
		t.Errorf("listed: %+v", all)
	}
}

func TestDecodeRefuses(t *testing.T) {
	r := full(t, "abc")
	good, err := r.encode()
	must(t, err)
	change := func(from, to string) string {
		if !strings.Contains(string(good), from) {
			t.Fatalf("%q is not in %s", from, good)
		}
		return strings.Replace(string(good), from, to, 1)
	}
	for _, c := range []struct{ data, want string }{
		{"", "EOF"},
		{"null", "version 0 is not 2"},
		{`[]`, "cannot unmarshal array"},
		{"{}", "version 0 is not 2"},
		{`{"version":2}`, `"" is not a container id`},
		{former, "version 1 is not 2: another release"},
		{change(`"version":2`, `"version":1`), "version 1 is not 2: another release"},
		{change(`"version":2`, `"version":3`), "version 3 is not 2: another release"},
		{change(`"version":2`, `"version":3,"future":true`), "version 3 is not 2: another release"},
		{change(`"version":2`, `"version":"2"`), "cannot unmarshal string"},
		{change(`"version":2`, `"version":2,"future":true`), `unknown field "future"`},
		{change(`"adoptDevices":["/dev/kvm"]`, `"adoptAll":["/dev/kvm"]`), `unknown field "adoptAll"`},
		{change(`"containerId":"abc"`, `"containerId":"../abc"`), `"../abc" is not a container id`},
		{change(r.Nonce, strings.ToUpper(r.Nonce[:31])+"F"), "lower-case hex"},
		{change(r.Nonce, r.Nonce[:30]), "lower-case hex"},
		{change(r.Nonce, ""), "lower-case hex"},
		{string(good[:len(good)-2]), "unexpected EOF"},
		{string(good) + "{}", "something follows"},
		{strings.Repeat("[", 1<<20), "max depth"},
	} {
		_, err := decode([]byte(c.data))
		wantError(t, err, c.want)
	}
}

func FuzzDecode(f *testing.F) {
	r := full(f, "abc")
	good, err := r.encode()
	must(f, err)
	f.Add(good)
	f.Add([]byte(`{"version":2,"containerId":"a","nonce":"00000000000000000000000000000000"}`))
	f.Add([]byte(`{"version":2}{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decode(data)
		if err != nil {
			if !reflect.DeepEqual(r, Record{}) {
				t.Fatalf("a record beside the error %v", err)
			}
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := decode(again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again)
		}
		// Compared as written: an empty list and none are the same.
		if third, err := back.encode(); err != nil || string(third) != string(again) {
			t.Fatalf("%v\n%s\n%s", err, again, third)
		}
	})
}

// The wrapper starts at every container operation, and it links this package.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	must(t, err)
	allowed := map[string]bool{
		"github.com/nodegate/nodegate/plugin/record":      true,
		"github.com/nodegate/nodegate/plugin/change":      true,
		"github.com/opencontainers/runtime-spec/specs-go": true,
		"golang.org/x/sys/unix":                           true,
	}
	for dep := range strings.FieldsSeq(string(out)) {
		if !allowed[dep] {
			t.Errorf("links %s", dep)
		}
	}
	all, err := exec.Command("go", "list", "-deps", ".").Output()
	must(t, err)
	for dep := range strings.FieldsSeq(string(all)) {
		if dep == "net" || strings.HasPrefix(dep, "crypto/") || dep == "regexp" {
			t.Errorf("links %s, which costs at start-up", dep)
		}
	}
}
