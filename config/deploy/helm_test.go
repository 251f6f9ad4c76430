// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

// program is one of bin/, as make builds it.
func program(t *testing.T, name string) string {
	t.Helper()
	bin := os.Getenv("NODEGATE_BIN")
	if bin == "" {
		bin = "../../bin"
	}
	at, err := filepath.Abs(filepath.Join(bin, name))
	must(t, err)
	if _, err := os.Stat(at); err == nil {
		return at
	}
	if at, err := exec.LookPath(name); err == nil {
		return at
	}
	if os.Getenv("CI") != "" || os.Getenv("NODEGATE_REQUIRE") != "" {
		t.Fatalf("there is no %s, and CI or NODEGATE_REQUIRE is set: run make test", name)
	}
	t.Skipf("there is no %s: run make test", name)
	return ""
}

// helm runs the real one, which knows no cluster here.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.Command(program(t, "helm"), args...)
	cmd.Env = []string{"HOME=" + home, "KUBECONFIG=" + home + "/none"}
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s", err, &problems)
	}
	return out.String(), nil
}

// template renders the chart as a release "nodegate" in a namespace of that name.
func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", "nodegate", "chart", "--namespace", "nodegate"}, args...)...)
}

// object is a Kubernetes object, or a part of one.
type object map[string]any

// render returns the chart's objects.
func render(t *testing.T, args ...string) []object {
	t.Helper()
	text, err := template(t, args...)
	must(t, err)
	var all []object
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	for {
		var o object
		switch err := d.Decode(&o); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("%v in\n%s", err, text)
		case o != nil:
			all = append(all, o)
		}
	}
}

// find returns the one object of a kind and name, nil if there is none.
func find(all []object, kind, name string) object {
	for _, o := range all {
		if o["kind"] == kind && o.in("metadata")["name"] == name {
			return o
		}
	}
	return nil
}

// in walks into objects; what is not there is empty.
func (o object) in(keys ...string) object {
	for _, key := range keys {
		next, _ := o[key].(object)
		o = next
	}
	return o
}

// list is a list of objects.
func (o object) list(key string) []object {
	var out []object
	items, _ := o[key].([]any)
	for _, it := range items {
		if one, ok := it.(object); ok {
			out = append(out, one)
		}
	}
	return out
}

// pods returns the pod templates of objects, by "Kind/name".
func pods(all []object) map[string]object {
	out := map[string]object{}
	for _, o := range all {
		if spec := o.in("spec", "template", "spec"); spec != nil {
			out[fmt.Sprint(o["kind"], "/", o.in("metadata")["name"])] = spec
		}
	}
	return out
}

// file writes a value's text for --set-file.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "value")
	must(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}
